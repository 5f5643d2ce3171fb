// libpcap has a structure of the same name for the classic machine's instructions; a program imports both.
#define bpf_insn bpf_instruction

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/if_link.h>
