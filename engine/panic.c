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
#include "engine/fault_p.h"
#include "engine/panic_p.h"
#include "engine/sched/sched_p.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* For threads without a coroutine; those never switch. */
static _Thread_local void *thread_frames;

/* Not inlined: the address of a thread-local must not be kept over a switch. */
static __attribute__((noinline)) void **thread_slot(void)
{
	return &thread_frames;
}

/* Where the caller's innermost frame is kept. */
static struct flo__try **frames(void)
{
	struct flo__g *g = flo__g_current();

	return (struct flo__try **)(g != NULL ? flo__g_local(g)
					      : thread_slot());
}

struct flo__try *flo__try_current(void)
{
	/* What goes wrong then is not the fault of who runs. */
	return flo__g_is_settling() ? NULL : *frames();
}

bool flo__try_is_open(void)
{
	return *frames() != NULL;
}

/*
 * Each node comes off before its function runs, so that a clean-up which
 * panics goes on with the next.
 */
static void run_defers(struct flo__try *f, const struct flo_defer_node *last)
{
	struct flo_defer_node *node;
	bool more = true;

	while (more && (node = f->defers) != NULL) {
		f->defers = node->next;
		more = node != last;
		node->fn(node->arg);
	}
}

/* Only the frame's own error and clean-ups are touched: no allocation. */
void flo__try_unwind(struct flo__try *t)
{
	/* First of all: the clean-ups may park. */
	while (flo__blocking_depth() > t->blocking)
		flo_blocking_end();
	run_defers(t, NULL);
	INSIST(*frames() == t);
	_longjmp(t->back, 1);
}

/* @from: the frame of the function of ours that the one to blame called. */
static void tell(flo_panic_info *info, const struct flo__fault *fault,
		 const void *from)
{
	struct flo__walk walk = {.low = (uintptr_t)from + 1,
				 .high = UINTPTR_MAX,
				 .end = UINTPTR_MAX,
				 .keep = UINTPTR_MAX};

	if (fault != NULL) {
		info->signal = fault->signal;
		info->code = fault->code;
		info->stack_overflow = fault->overflow;
		info->address = fault->has_address ? fault->address : 0;
		info->frames_len = fault->frames_len;
		memcpy(info->frames, fault->frames, sizeof(info->frames));
		return;
	}
	flo__walk(&walk);
	info->frames_len = walk.frames_len;
	memcpy(info->frames, walk.frames, sizeof(info->frames));
}

static void fail(struct flo__try *t, const struct flo__fault *fault,
		 const void *from, const char *format, va_list args)
	FLO_PRINTF(4, 0);

static void fail(struct flo__try *t, const struct flo__fault *fault,
		 const void *from, const char *format, va_list args)
{
	if (t->told)
		return;
	t->told = true;
	flo_error_setv(t->err, FLO_PANIC, format, args);
	if (fault != NULL && t->err != NULL && t->err->code == 0)
		t->err->code = fault->signal;
	if (t->info != NULL)
		tell(t->info, fault, from);
}

void flo__try_fail(struct flo__try *t, const struct flo__fault *fault,
		   const void *from, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fail(t, fault, from, format, args);
	va_end(args);
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
	struct flo__try *f = flo__try_current();
	va_list args;

	va_start(args, format);
	if (f == NULL)
		report_and_abort(format, args);
	fail(f, NULL, __builtin_frame_address(0), format, args);
	va_end(args);
	flo__try_unwind(f);
}

/* A contract broke. Returns, for the process to abort, outside flo_try(). */
static void contract_broke(const char *message)
{
	struct flo__try *f = flo__try_current();
	size_t len = strlen(message);

	if (f == NULL)
		return;
	while (len > 0 && message[len - 1] == '\n')
		len--;
	flo__try_fail(f, NULL, __builtin_frame_address(0), "%.*s", (int)len,
		      message);
	flo__try_unwind(f);
}

/* Before main(): the handler is set while there is one thread. */
static __attribute__((constructor)) void install_handler(void)
{
	flo__contract_set_handler(contract_broke);
}

static bool call(struct flo__try *f, void (*fn)(void *arg), void *arg)
{
	if (_setjmp(f->back) != 0)
		return false;
	fn(arg);
	/* The frame is still in place: a clean-up may panic, too. */
	run_defers(f, NULL);
	return true;
}

static flo_status try(void (*fn)(void *arg), void *arg, flo_error *err,
		      flo_panic_info *info)
{
	struct flo__try **top = frames();
	struct flo__try f = {
		.outer = *top,
		.err = err,
		.info = info,
		.blocking = flo__blocking_depth(),
	};
	bool returned;

	*top = &f;
	returned = call(&f, fn, arg);
	INSIST(*top == &f);
	*top = f.outer;
	return returned ? FLO_OK : FLO_PANIC;
}

flo_status flo_try(void (*fn)(void *arg), void *arg, flo_error *err)
{
	REQUIRE_RULE(fn != NULL, "there is no function");
	return try(fn, arg, err, NULL);
}

flo_status flo_try_info(void (*fn)(void *arg), void *arg, flo_error *err,
			flo_panic_info *info)
{
	REQUIRE_RULE(fn != NULL, "there is no function");
	REQUIRE_RULE(info != NULL, "there is no place for the panic");
	*info = (flo_panic_info){.what = info->what};
	return try(fn, arg, err, info);
}

void flo_defer(struct flo_defer_node *node, void (*fn)(void *arg), void *arg)
{
	struct flo__try *f = *frames();

	REQUIRE_RULE(f != NULL, "called outside flo_try()");
	REQUIRE_RULE(node != NULL, "there is no node");
	REQUIRE_RULE(fn != NULL, "there is no function");
	node->fn = fn;
	node->arg = arg;
	node->next = f->defers;
	f->defers = node;
}

void flo_defer_run(struct flo_defer_node *node)
{
	struct flo__try *f = *frames();

	REQUIRE_RULE(f != NULL, "called outside flo_try()");
	REQUIRE_RULE(node != NULL, "there is no node");
	run_defers(f, node);
}
