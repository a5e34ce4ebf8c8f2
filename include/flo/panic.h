/**
 * Panics: how a coroutine says that it cannot go on.
 *
 * flo_panic() runs the flo_defer()red clean-ups of the calling coroutine in
 * LIFO order and ends what flo_try() began, which returns FLO_PANIC with the
 * message. A panic outside flo_try() ends the process with a report: there is
 * nobody to tell. Broken contracts (REQUIRE and friends) inside a flo_try()
 * are panics too. Blocking regions (flo_blocking_begin()) that began inside the
 * flo_try() are left before the clean-ups run. Panics are recorded where they
 * happen and never carried to another coroutine's wait.
 *
 * The functions between the panic and the flo_try() do not return, so what they
 * own is leaked and what they have locked stays locked, unless a clean-up sees
 * to it. A clean-up may park.
 *
 * All of this works on ordinary threads, too. Faults of the hardware become
 * panics, in coroutines only, after flo_fault_contain() (flo/fault.h).
 */
#ifndef FLO_PANIC_H
#define FLO_PANIC_H

#include <flo/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * Fail the innermost flo_try() of this coroutine, or of this ordinary thread.
 * Does not return. Outside flo_try() the process ends by abort(), after a
 * report on stderr. A text of more than FLO_ERROR_TEXT_MAX bytes is cut. Needs
 * no memory.
 *
 * Threads: any. Not from a signal handler.
 * Requires: @format and what follows are as for printf(3).
 */
FLO_EXTERN void flo_panic(const char *format, ...)
	FLO_PRINTF(1, 2) FLO_NORETURN;

/**
 * Run @fn(@arg) in this coroutine, or on this ordinary thread, and survive its
 * panic. They nest.
 *
 * Requires: @fn is not NULL.
 * Returns FLO_OK when @fn returned; FLO_PANIC when it panicked, with the
 * panic's message in @err (may be NULL; an error that it holds already stays).
 */
FLO_EXTERN flo_status flo_try(void (*fn)(void *arg), void *arg, flo_error *err);

/** Frames of the stack that are kept of a panic. */
#define FLO_PANIC_FRAMES_MAX 32

/** What is known of a panic beside its text. Owns no memory. */
typedef struct flo_panic_info {
	/* In: names the work in reports ("step sync[2].pull"); borrowed until
	 * flo_try_info() returns; may be NULL. */
	const char *what;
	/* The fault's signal; 0: flo_panic() or a broken contract. */
	int signal;
	int code;	     /* its si_code, as in sigaction(2) */
	bool stack_overflow; /* it touched the guard of its stack */
	uintptr_t address;   /* that faulted; 0 if it is not known */
	size_t frames_len;   /* of `frames`; 0: the stack could not be walked */
	/* Where it happened, innermost first: addresses of instructions, of
	 * callers those of the call. */
	void *frames[FLO_PANIC_FRAMES_MAX];
} flo_panic_info;

/**
 * As flo_try(), and tell of a panic in *@info where it happened.
 *
 * @info is filled when FLO_PANIC is returned; of several panics (clean-ups may
 * panic, too) it is the first one, like the text in @err.
 *
 * Requires: @fn and @info are not NULL, and @info->what is set, if to NULL.
 * Returns what flo_try() does; after FLO_OK @info has 0 everywhere else.
 */
FLO_EXTERN flo_status flo_try_info(void (*fn)(void *arg), void *arg,
				   flo_error *err, flo_panic_info *info);

/**
 * Put words for a frame into @buf: "foo (lib.so+0x123)", or "lib.so+0x123"
 * when the function is not an exported one; addr2line(1) takes the number.
 * The text is cut to @size bytes with its NUL. It is the bare address for one
 * that lies in no file. Any thread; may take locks of the dynamic linker.
 *
 * Requires: @size is not 0.
 */
FLO_EXTERN void flo_panic_frame_text(const void *frame, char *buf, size_t size);

/**
 * Have @fn(@arg) called when the innermost flo_try() ends, by return or by
 * panic, last registered first. A clean-up that panics does not keep the
 * others from running; the first panic's message stays.
 *
 * @node must live until then. One on the stack of a function that returns
 * earlier is run before it returns, by flo_defer_run(). @node and @arg are
 * borrowed until @fn is called. Semantics: Go's defer, but for the end of the
 * flo_try() and not of the function.
 *
 * Requires: called inside flo_try(); @fn is not NULL; @node is not registered.
 */
struct flo_defer_node {
	struct flo_defer_node *next; /* the library's, as all of it */
	void (*fn)(void *arg);	     /* what is called */
	void *arg;		     /* with what */
};
FLO_EXTERN void flo_defer(struct flo_defer_node *node, void (*fn)(void *arg),
			  void *arg);

/**
 * Call now what was registered from @node on, last first, and @node's own last.
 *
 * Requires: @node is registered with the innermost flo_try() and was not run.
 */
FLO_EXTERN void flo_defer_run(struct flo_defer_node *node);

#ifdef __cplusplus
}
#endif
#endif
