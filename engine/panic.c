/*
 * Panics by setjmp and longjmp on the coroutine's own stack.
 *
 * Each flo_try() is a frame on a list whose head is the coroutine's one local
 * pointer, or a thread-local on an ordinary thread. The clean-ups run in
 * flo_panic(), before the jump, since their nodes lie on the stack that the
 * jump gives up.
 *
 * _setjmp, without the signal mask: saving it is a system call, and coroutines
 * change threads, whose masks are not theirs.
 */
#include <flo/panic.h>

#include "base/contract.h"
#include "engine/panic_p.h"
#include "engine/sched/sched_p.h"

#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct frame {
	struct frame *outer;
	struct flo_defer_node *defers; /* last registered first */
	flo_error *err;		       /* borrowed; may be NULL */
	unsigned blocking;	       /* regions that it lies in itself */
	jmp_buf back;
};

/* For threads without a coroutine; those never switch. */
static _Thread_local void *thread_frames;

/* Not inlined: the address of a thread-local must not be kept over a switch. */
static __attribute__((noinline)) void **thread_slot(void)
{
	return &thread_frames;
}

/* Where the caller's innermost frame is kept. */
static struct frame **frames(void)
{
	struct flo__g *g = flo__g_current();

	return (struct frame **)(g != NULL ? flo__g_local(g) : thread_slot());
}

bool flo__try_is_open(void)
{
	return *frames() != NULL;
}

/*
 * Each node comes off before its function runs, so that a clean-up which
 * panics goes on with the next.
 */
static void run_defers(struct frame *f, const struct flo_defer_node *last)
{
	struct flo_defer_node *node;
	bool more = true;

	while (more && (node = f->defers) != NULL) {
		f->defers = node->next;
		more = node != last;
		node->fn(node->arg);
	}
}

static void unwind(struct frame *f) FLO_NORETURN;

/* Only the frame's own error and clean-ups are touched: no allocation. */
static void unwind(struct frame *f)
{
	/* First of all: the clean-ups may park. */
	while (flo__blocking_depth() > f->blocking)
		flo_blocking_end();
	run_defers(f, NULL);
	INSIST(*frames() == f);
	_longjmp(f->back, 1);
}

/* There is nobody to tell: write(), since stdio's locks may be held. */
static void report_and_abort(const char *format, va_list args) FLO_NORETURN
	FLO_PRINTF(1, 0);

static void report_and_abort(const char *format, va_list args)
{
	static const char head[] = "panic: ";
	char text[FLO_ERROR_TEXT_MAX];
	size_t len;

	memcpy(text, head, sizeof(head));
	vsnprintf(text + sizeof(head) - 1, sizeof(text) - sizeof(head), format,
		  args);
	len = strlen(text);
	text[len++] = '\n';
	if (write(STDERR_FILENO, text, len) < 0)
		abort();
	abort();
}

void flo_panic(const char *format, ...)
{
	struct frame *f = *frames();
	va_list args;

	va_start(args, format);
	if (f == NULL)
		report_and_abort(format, args);
	flo_error_setv(f->err, FLO_PANIC, format, args);
	va_end(args);
	unwind(f);
}

/* A contract broke. Returns, for the process to abort, outside flo_try(). */
static void contract_broke(const char *message)
{
	struct frame *f = *frames();
	size_t len = strlen(message);

	if (f == NULL)
		return;
	while (len > 0 && message[len - 1] == '\n')
		len--;
	flo_error_set(f->err, FLO_PANIC, "%.*s", (int)len, message);
	unwind(f);
}

/* Before main(): the handler is set while there is one thread. */
static __attribute__((constructor)) void install_handler(void)
{
	flo__contract_set_handler(contract_broke);
}

static bool call(struct frame *f, void (*fn)(void *arg), void *arg)
{
	if (_setjmp(f->back) != 0)
		return false;
	fn(arg);
	/* The frame is still in place: a clean-up may panic, too. */
	run_defers(f, NULL);
	return true;
}

flo_status flo_try(void (*fn)(void *arg), void *arg, flo_error *err)
{
	struct frame **top = frames();
	struct frame f = {
		.outer = *top,
		.err = err,
		.blocking = flo__blocking_depth(),
	};
	bool returned;

	REQUIRE(fn != NULL);
	*top = &f;
	returned = call(&f, fn, arg);
	INSIST(*top == &f);
	*top = f.outer;
	return returned ? FLO_OK : FLO_PANIC;
}

void flo_defer(struct flo_defer_node *node, void (*fn)(void *arg), void *arg)
{
	struct frame *f = *frames();

	REQUIRE(f != NULL && fn != NULL);
	node->fn = fn;
	node->arg = arg;
	node->next = f->defers;
	f->defers = node;
}

void flo_defer_run(struct flo_defer_node *node)
{
	struct frame *f = *frames();

	REQUIRE(f != NULL);
	run_defers(f, node);
}
