/*
 * Names that are given, not chosen: of runs, traces, spans, idempotency keys.
 *
 * Randomness is the kernel's. Whoever needs the same names again (a seeded
 * simulation) makes them from its own random numbers with the _of() variants.
 */
#ifndef FLO_BASE_ID_H
#define FLO_BASE_ID_H

#include <stddef.h>
#include <stdint.h>

#define FLO__ID_RUN_SIZE   23 /* "20261122-031244-9f3c2a" and its NUL */
#define FLO__ID_TRACE_SIZE 33 /* W3C trace-id: 32 hex digits */
#define FLO__ID_SPAN_SIZE  17 /* W3C parent-id: 16 hex digits */

/* Fill @bytes with random ones. */
void flo__random_bytes(void *bytes, size_t len);

/* Write @len bytes as 2 x @len lower-case hex digits and a NUL. */
void flo__id_hex(const void *bytes, size_t len, char *ret_text);

/* A run's id: UTC time to the second and 24 random bits. */
void flo__id_run(char ret_text[FLO__ID_RUN_SIZE]);
void flo__id_run_of(int64_t now_us, uint32_t random,
		    char ret_text[FLO__ID_RUN_SIZE]);

/* Ids of W3C Trace Context, never all zero. */
void flo__id_trace(char ret_text[FLO__ID_TRACE_SIZE]);
void flo__id_span(char ret_text[FLO__ID_SPAN_SIZE]);

#endif
