#ifndef XDP_H
#define XDP_H

// XDP programs written as instructions: for programs as small as those of the benchmarks no compiler is needed.

#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>

#define INSTRUCTION(c, d, s, o, i) ((struct bpf_insn){.code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i)})
#define MOVE(d, s) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define SET(d, i) INSTRUCTION(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define ADD(d, s) INSTRUCTION(BPF_ALU64 | BPF_ADD | BPF_X, d, s, 0, 0)
#define SUBTRACT(d, s) INSTRUCTION(BPF_ALU64 | BPF_SUB | BPF_X, d, s, 0, 0)
#define WITH(op, d, i) INSTRUCTION(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define LOAD(size, d, s, o) INSTRUCTION(BPF_LDX | BPF_MEM | (size), d, s, o, 0)
#define STORE(size, d, o, s) INSTRUCTION(BPF_STX | BPF_MEM | (size), d, s, o, 0)
#define STORE_VALUE(size, d, o, i) INSTRUCTION(BPF_ST | BPF_MEM | (size), d, 0, o, (int32_t)(i))
#define TO_NETWORK(d, bits) INSTRUCTION(BPF_ALU | BPF_END | BPF_TO_BE, d, 0, 0, bits)
#define IF_ABOVE(d, s, o) INSTRUCTION(BPF_JMP | BPF_JGT | BPF_X, d, s, o, 0)
/// The lower halves of both.
#define IF_OTHER(d, i, o) INSTRUCTION(BPF_JMP32 | BPF_JNE | BPF_K, d, 0, o, (int32_t)(i))
#define CALL(f) INSTRUCTION(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define END INSTRUCTION(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
/// A map's descriptor, or the address of the first value of an array; two instructions each.
#define MAP(d, map) INSTRUCTION(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_FD, 0, map), INSTRUCTION(0, 0, 0, 0, 0)
#define MAP_VALUE(d, map) INSTRUCTION(BPF_LD | BPF_DW | BPF_IMM, d, BPF_PSEUDO_MAP_VALUE, 0, map), INSTRUCTION(0, 0, 0, 0, 0)

/// All of these say what failed on standard error, and end the program.
void fail(const char *what);

int xdp_load(const struct bpf_insn *program, size_t count);
/// The program is attached as long as this process lives.
void xdp_attach(const char *interface, int program, unsigned flags);
/// A map with keys of four bytes.
int bpf_map(enum bpf_map_type type, uint32_t value_size, uint32_t entries, uint32_t flags);
void bpf_map_set(int map, uint32_t key, const void *value);

#endif
