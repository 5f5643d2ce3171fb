/*
 * libipvs-lbd.so, a library to be preloaded (LD_PRELOAD): the program that it is loaded into has an IPVS of generic
 * netlink that is lbd's, and the file /proc/net/ip_vs_conn with it. It offers no functions: it stands before libc's.
 */
#ifndef IPVS_PRELOAD_H
#define IPVS_PRELOAD_H

/* Where lbd answers: a variable of the environment, and what holds without it. */
#define IPVS_PRELOAD_VARIABLE "LBD_IPVS_SOCKET"
#define IPVS_PRELOAD_SOCKET "/run/lbd.ipvs.sock"

/* The number of the family; the kernel gives none above 1,023. lbd's server knows it too. */
#define IPVS_PRELOAD_FAMILY 0x4c42

/* A command that only this library has: lbd answers with the text of /proc/net/ip_vs_conn until it closes. */
#define IPVS_PRELOAD_READ_CONNECTIONS 255

#endif
