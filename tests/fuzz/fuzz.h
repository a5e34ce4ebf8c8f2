/*
 * What the fuzzers share.
 *
 * A fuzzer is a file that defines LLVMFuzzerTestOneInput(). It is built twice:
 * with clang's libFuzzer (-Dfuzz=true, by tools/fuzz), which makes inputs up,
 * and with main.c into a plain program that runs the inputs kept in a folder,
 * under any compiler and sanitizer, as a test.
 *
 * Threads: one.
 */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include "dsl/dsl.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Stop with a message unless @claim holds; libFuzzer keeps the input then. */
#define FUZZ_CHECK(claim, ...)                                                 \
	do {                                                                   \
		if (!(claim))                                                  \
			fuzz_fail(__FILE__, __LINE__, #claim, __VA_ARGS__);    \
	} while (0)

void fuzz_fail(const char *file, int line, const char *claim,
	       const char *format, ...)
	__attribute__((noreturn, format(printf, 4, 5)));

/*
 * The allocation that is to fail when @data is tried a second time: 1 to
 * @count, chosen by the input itself, so that it is the same each time. 0, if
 * nothing was allocated, or unless $FLO_FUZZ_ALLOC is set to try it.
 */
long fuzz_nth_allocation(const uint8_t *data, size_t len, long count);

/* Begin to count allocations, without failing any. */
void fuzz_count_allocations(void);

/*
 * Compile @text and check all that is promised of diagnostics: their order,
 * places, pointers and texts, and that there are errors or a plan. Does the
 * same with an allocation failing, if asked to. The plan goes to *@ret_plan
 * (owned by the caller) or NULL.
 */
void fuzz_compile(const char *text, size_t len, struct flo__plan **ret_plan);

#endif
