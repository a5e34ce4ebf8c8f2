/*
 * Faults of native code as panics: the signal handler, and the way back.
 *
 * Note: how a coroutine goes on after a fault
 *
 * The handler runs on a stack of its M (sched/sigstack.c). It takes no lock
 * and no memory: it decides whose fault it is, walks the stack, writes what it
 * has seen below what the coroutine still needs of its own stack, changes the
 * saved registers so that the coroutine goes on in land() there, and returns.
 * So the signal is over, mask and all, before anything else happens, and
 * land() is ordinary code: it may park, and panics as flo_panic() does. A
 * longjmp() out of the handler would leave the handler's stack in use under a
 * coroutine that then changes threads.
 *
 * Where on its stack: below the fault, if there is room. Otherwise (a stack
 * overflow, most of all) at the lowest frame that is still needed: that of the
 * flo_try(), or of the function whose clean-up was registered last. What lies
 * below are callees of that one, which will never run again. If there is still
 * no room, because the recursion itself registered clean-ups, nothing can be
 * done.
 *
 * Note: whose fault it is
 *
 * Ours is what the kernel raised for an instruction (si_code > 0) of a
 * coroutine inside a flo_try(), on that coroutine's stack, with no function on
 * it that may hold a lock of ours. abort() sends itself SIGABRT with tgkill();
 * it is known by where it was caught: the instruction that has just been
 * executed is a system call whose arguments are still in the registers, that
 * very tgkill(). Sent by anybody else it would be somewhere else.
 *
 * glibc's abort() (2.36) gives its lock up for the time of the signal, so a
 * handler that does not return leaves nothing behind; newer ones raise the
 * signal before they take it.
 *
 * Note: exit()
 *
 * It is a panic only where the program has an exit() of its own that calls
 * flo_fault_exit() before anything else has happened. By the time a function
 * registered with atexit() runs, those registered after
 * it have run: libraries have been shut down that the process would go on to
 * use. glibc from 2.41 on also holds a lock that nobody could give back. So there
 * it is reported, and the process ends.
 */
#include "engine/fault_p.h"
#include "engine/fault_regs_p.h"

#include <flo/fault.h>
#include <flo/panic.h>

#include "base/contract.h"
#include "engine/sched/sched_p.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define SLOW_FRAMES 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define SLOW_FRAMES 1
#endif
#ifdef ASAN
#define SLOW_FRAMES 1
#include <sanitizer/asan_interface.h>
#endif

/* What land() and the clean-ups get at least; printf's frames are large. */
#ifdef SLOW_FRAMES
#define ROOM ((uintptr_t)32 * 1024)
#else
#define ROOM ((uintptr_t)12 * 1024)
#endif

/* Below the stack pointer functions without callees keep data, by the ABI. */
#define RED_ZONE 128u

static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool exit_watched; /* by lock: on_exit() was called */
/* by lock; read by handlers: release when the rest is set up, acquire */
static _Atomic unsigned users;
static _Atomic int exit_code;	/* relaxed: written before users rises */
static _Atomic unsigned faults; /* relaxed: a count */
/* By lock, and constant while a handler of ours can run: it is asked for
 * before ours is installed. */
static struct sigaction host[SIGNALS];
static bool buried[SIGNALS]; /* by lock: the host has set one over ours */
static atomic_bool host_spent[SIGNALS]; /* relaxed: SA_RESETHAND was obeyed */

/* Not NULL while a handler looks at memory that may be damaged. */
static _Thread_local jmp_buf *looking
	__attribute__((tls_model("initial-exec")));

unsigned flo_fault_tainted(void)
{
	return atomic_load_explicit(&faults, memory_order_relaxed);
}

/* ---- the way back ---- */

/* Where the coroutine goes on. @fault lies on its stack, above this frame. */
static void land(struct flo__fault *fault)
{
	struct flo__try *t = flo__try_current();
	char text[512];

#ifdef ASAN
	/* The frames that were left are poisoned still. */
	__asan_handle_no_return();
#endif
	atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
	flo__fault_text(fault, text, sizeof(text));
	flo__try_fail(t, fault, NULL, "%s", text);
	t->faulty = false;
	flo__try_unwind(t);
}

/* ---- the handler ---- */

/* What it works with, on its own stack. */
struct scene {
	int sig;
	siginfo_t *info;
	ucontext_t *uc;
	struct flo__g_stack stack;
	struct flo__try *t;
	struct flo__walk walk;
	struct flo__fault fault;
};

static bool in(const struct flo__g_stack *stack, uintptr_t address)
{
	return address >= stack->low && address < stack->high;
}

/* The kernel raised it for an instruction, or abort() did. */
static bool is_synchronous(const struct scene *s)
{
	if (s->sig == SIGABRT)
		return s->info->si_code == SI_TKILL &&
		       s->info->si_pid == getpid() &&
		       flo__reg_is_raise(s->uc, s->sig);
	return s->info->si_code > 0;
}

/* A guard was touched; a large frame may have moved the stack pointer past it
 * by less than a page before it did. */
static bool is_overflow(const struct scene *s)
{
	uintptr_t address = (uintptr_t)s->info->si_addr;

	return s->sig == SIGSEGV && s->stack.guard > 0 &&
	       address >= s->stack.low &&
	       address < s->stack.low + s->stack.guard &&
	       flo__reg_sp(s->uc) >= s->stack.low - s->stack.guard &&
	       flo__reg_sp(s->uc) < s->stack.high;
}

/* write() and no more: async-signal-safe. */
static void say(const char *text)
{
	if (write(STDERR_FILENO, text, strlen(text)) < 0)
		return;
}

static void say_number(size_t n)
{
	char digits[24];
	size_t at = sizeof(digits) - 1;

	digits[at] = '\0';
	do
		digits[--at] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	say(digits + at);
}

static void say_overflow(const struct scene *s)
{
	say("coroutine ");
	say(s->stack.name[0] != '\0' ? s->stack.name : "(without a name)");
	say(" overflowed its stack of ");
	say_number((s->stack.high - s->stack.low) / 1024);
	say(" KiB\n");
}

/* The lowest address on the stack that its clean-ups need. */
static uintptr_t needed(const struct scene *s)
{
	uintptr_t low = (uintptr_t)s->t;
	const struct flo_defer_node *node;
	unsigned n = 0;

	for (node = s->t->defers; node != NULL && n++ < 1000000;
	     node = node->next) {
		if (in(&s->stack, (uintptr_t)node) && (uintptr_t)node < low)
			low = (uintptr_t)node;
	}
	return low;
}

/* Walk, to see whether the coroutine can be taken out of what it does. All this
 * reads memory that the fault may have damaged: see look(). */
static void examine(struct scene *s)
{
	struct flo__walk *w = &s->walk;

	if (s->fault.has_address && s->fault.address == flo__reg_pc(s->uc) &&
	    s->sig == SIGSEGV && in(&s->stack, flo__reg_sp(s->uc)))
		flo__reg_return(s->uc); /* a call of what is no function */
	w->low = s->stack.low;
	w->high = s->stack.high;
	w->end = (uintptr_t)s->t;
	w->keep = needed(s);
	flo__walk(w);
}

/*
 * A fault while looking comes back here by the handler: then we know what we
 * know, which is enough if there is room below the fault.
 */
static bool look(struct scene *s)
{
	jmp_buf broken;

	if (_setjmp(broken) == 0) {
		looking = &broken;
		examine(s);
	}
	looking = NULL;
	return !s->walk.own;
}

/* Where the coroutine can go on: the end of a free part of its stack, or 0. */
static uintptr_t landing(const struct scene *s, uintptr_t sp)
{
	uintptr_t floor = s->stack.low + s->stack.guard + ROOM;

	if (sp >= floor + RED_ZONE)
		return sp - RED_ZONE;
	/* The frame that is kept may have a red zone, too, if it is the one
	 * that faulted. */
	if (s->walk.complete && s->walk.room >= floor + RED_ZONE)
		return s->walk.room - RED_ZONE;
	return 0;
}

static void note_fault(struct scene *s)
{
	struct flo__fault *f = &s->fault;

	f->signal = s->sig;
	f->code = s->info->si_code;
	/* For a general protection fault the kernel knows no address. */
	f->has_address = s->sig != SIGABRT && s->info->si_code != SI_KERNEL;
	f->address = (uintptr_t)s->info->si_addr;
	f->overflow = is_overflow(s);
	f->stack_size = s->stack.high - s->stack.low;
}

/* The record to the coroutine's stack, which AddressSanitizer would watch. */
static __attribute__((no_sanitize("address"))) void go_on(struct scene *s,
							  uintptr_t sp)
{
	uintptr_t at = (sp - sizeof(s->fault)) & ~(uintptr_t)15;
	volatile char *to = (volatile char *)at;
	const char *from = (const char *)&s->fault;

#ifdef ASAN
	/* Frames below the landing are given up without their epilogues. */
	ASAN_UNPOISON_MEMORY_REGION((void *)s->stack.low, sp - s->stack.low);
#endif
	s->fault.frames_len = s->walk.frames_len;
	memcpy(s->fault.frames, s->walk.frames, sizeof(s->fault.frames));
	for (size_t i = 0; i < sizeof(s->fault); i++)
		to[i] = from[i];
	s->t->faulty = true;
	flo__reg_set(s->uc, land, (void *)at, at);
}

/* Turn the fault into a panic of the coroutine; false if it is not one's. */
static bool contain(struct scene *s)
{
	uintptr_t sp = flo__reg_sp(s->uc), to;

	if (!is_synchronous(s) || !flo__g_stack(&s->stack))
		return false;
	note_fault(s);
	if (!s->fault.overflow && !in(&s->stack, sp))
		return false;
	s->t = flo__try_current();
	/* Our own stack is the coroutine's if its M could get no other. */
	if (s->t == NULL || s->t->faulty || !in(&s->stack, (uintptr_t)s->t) ||
	    in(&s->stack, (uintptr_t)s) || !look(s) ||
	    (to = landing(s, sp)) == 0) {
		if (s->fault.overflow)
			say_overflow(s);
		return false;
	}
	go_on(s, to);
	return true;
}

static size_t index_of(int sig)
{
	size_t i = 0;

	while (i < SIGNALS - 1 && signals[i] != sig)
		i++;
	return i;
}

/* As if there were no handler: by the fault again, or the signal. */
static void take_default(int sig, const siginfo_t *info)
{
	signal(sig, SIG_DFL);
	if (info->si_code <= 0)
		raise(sig);
}

/* What the host had before us. */
static void chain(int sig, siginfo_t *info, void *uc)
{
	size_t i = index_of(sig);
	const struct sigaction *old = &host[i];
	sigset_t mask, was;
	bool spent = atomic_load_explicit(&host_spent[i], memory_order_relaxed);

	if (old->sa_handler == SIG_IGN && info->si_code <= 0)
		return;
	if (spent || old->sa_handler == SIG_DFL || old->sa_handler == SIG_IGN) {
		take_default(sig, info);
		return;
	}
	if (old->sa_flags & (int)SA_RESETHAND)
		atomic_store_explicit(&host_spent[i], true,
				      memory_order_relaxed);
	mask = old->sa_mask;
	if (!(old->sa_flags & SA_NODEFER))
		sigaddset(&mask, sig);
	pthread_sigmask(SIG_BLOCK, &mask, &was);
	if (old->sa_flags & SA_SIGINFO)
		old->sa_sigaction(sig, info, uc);
	else
		old->sa_handler(sig);
	pthread_sigmask(SIG_SETMASK, &was, NULL);
}

static void handle(int sig, siginfo_t *info, void *uc)
{
	struct scene s = {.sig = sig, .info = info, .uc = uc};
	int saved = errno;

	if (looking != NULL && info->si_code > 0)
		_longjmp(*looking, 1);
	/* acquire: pairs with the release in flo_fault_contain() */
	if (atomic_load_explicit(&users, memory_order_acquire) == 0 ||
	    !contain(&s))
		chain(sig, info, uc);
	errno = saved;
}

/* ---- exit() ---- */

void flo_fault_exit(int status)
{
	if (atomic_load_explicit(&users, memory_order_acquire) > 0 &&
	    flo__g_current() != NULL && flo__try_current() != NULL)
		flo_panic("called exit(%d)", status);
}

static void at_exit(int status, void *arg)
{
	struct flo__g_stack stack;
	struct flo__try *t;
	char text[512];
	int code = atomic_load_explicit(&exit_code, memory_order_relaxed);

	(void)arg;
	if (atomic_load_explicit(&users, memory_order_acquire) == 0 ||
	    !flo__g_stack(&stack))
		return;
	t = flo__try_current();
	while (t != NULL && (t->info == NULL || t->info->what == NULL))
		t = t->outer;
	snprintf(text, sizeof(text),
		 "coroutine %s%s%s called exit(%d): the process ends\n",
		 stack.name, t != NULL ? ", " : "",
		 t != NULL ? t->info->what : "", status);
	say(text);
	if (code != 0)
		_exit(code);
}

/* ---- on and off ---- */

static bool is_ours(const struct sigaction *action)
{
	return (action->sa_flags & SA_SIGINFO) != 0 &&
	       action->sa_sigaction == handle;
}

/*
 * If the host has set a handler over ours since, it calls ours, as we call
 * those before us; two that call each other would never end. So ours is set
 * anew only where it was removed.
 */
static int install_one(size_t i)
{
	struct sigaction action = {.sa_sigaction = handle,
				   .sa_flags = SA_SIGINFO | SA_ONSTACK |
					       SA_NODEFER | SA_RESTART};
	struct sigaction now;

	if (sigaction(signals[i], NULL, &now) != 0)
		return errno;
	if (buried[i] || is_ours(&now))
		return 0;
	atomic_store_explicit(&host_spent[i], false, memory_order_relaxed);
	host[i] = now;
	sigemptyset(&action.sa_mask);
	return sigaction(signals[i], &action, NULL) == 0 ? 0 : errno;
}

static void uninstall(void)
{
	struct sigaction now;

	for (size_t i = 0; i < SIGNALS; i++) {
		if (sigaction(signals[i], NULL, &now) != 0)
			continue;
		if (is_ours(&now))
			sigaction(signals[i], &host[i], NULL);
		buried[i] = !is_ours(&now);
	}
}

static flo_status install(flo_error *err)
{
	int errnum = 0;

	for (size_t i = 0; errnum == 0 && i < SIGNALS; i++)
		errnum = install_one(i);
	if (errnum == 0)
		return FLO_OK;
	uninstall();
	return flo_error_sys(err, errnum, "install a handler for faults");
}

/* Once a process, since it cannot be undone; idle while there are no users. */
static void watch_exit(const struct flo_fault_options *options)
{
	atomic_store_explicit(&exit_code,
			      options != NULL ? options->exit_code : 0,
			      memory_order_relaxed);
	if (!exit_watched)
		exit_watched = on_exit(at_exit, NULL) == 0;
}

/* The unwinder sets itself up at its first use. */
static void warm_up(void)
{
	struct flo__walk walk = {.high = UINTPTR_MAX,
				 .end = UINTPTR_MAX,
				 .keep = UINTPTR_MAX};

	flo__walk(&walk);
}

flo_status flo_fault_contain(const struct flo_fault_options *options,
			     flo_error *err)
{
	flo_status st = FLO_OK;

	if (!FLO__CONTAINS)
		return flo_error_set(err, FLO_SYSTEM,
				     "faults cannot be contained on this "
				     "processor");
	pthread_mutex_lock(&lock);
	if (atomic_load_explicit(&users, memory_order_relaxed) == 0) {
		warm_up();
		watch_exit(options);
		st = install(err);
	}
	if (st == FLO_OK)
		atomic_fetch_add_explicit(&users, 1, memory_order_release);
	pthread_mutex_unlock(&lock);
	return st;
}

void flo_fault_release(void)
{
	unsigned left;

	pthread_mutex_lock(&lock);
	left = atomic_load_explicit(&users, memory_order_relaxed);
	if (left == 1)
		uninstall();
	if (left > 0)
		atomic_fetch_sub_explicit(&users, 1, memory_order_release);
	pthread_mutex_unlock(&lock);
	REQUIRE_RULE(left > 0, "more calls than of flo_fault_contain()");
}
