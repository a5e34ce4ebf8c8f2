/*
 * Keyed hashing of bytes, for tables whose keys come from outside.
 *
 * SipHash-1-3 (Aumasson, Bernstein) under a key drawn once a process, so that
 * nobody can write a document whose keys all collide. Hashes differ from one
 * process to the next: never store them, never let them decide an order.
 */
#ifndef FLO_BASE_HASH_H
#define FLO_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t flo__hash_bytes(const void *bytes, size_t len);
uint64_t flo__hash_u64(uint64_t n);

#endif
