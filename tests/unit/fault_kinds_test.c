/*
 * Each way to break of fault_kinds.c, in a child that contains faults and in
 * one that does not. While it happens, 200 healthy coroutines are at work.
 */
#include "fault_child.h"
#include "fault_kinds.h"

#include <flo/fault.h>
#include <flo/panic.h>
#include <flo/sync.h>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>

#define HEALTHY 200
#define REPEAT	CORO_STRESS(100)

struct world {
	const struct fault_kind *kind;
	int repeat;
	flo_waitgroup healthy;
	atomic_int finished; /* of the healthy ones */
	atomic_bool over;    /* no more faults will come */
	atomic_int cleaned;
	atomic_int tid;	     /* of who is about to take the lock again */
	atomic_bool went_on; /* it has got it */
};

/* --- coroutines ---------------------------------------------------------- */

static void healthy(void *arg)
{
	struct world *w = arg;
	volatile char work[512];

	do {
		for (size_t i = 0; i < sizeof(work); i++)
			work[i] = (char)i;
		flo_yield();
		for (size_t i = 0; i < sizeof(work); i++)
			EXPECT(work[i] == (char)i);
	} while (!atomic_load(&w->over));
	atomic_fetch_add(&w->finished, 1);
	flo_waitgroup_done(&w->healthy);
}

static void start_healthy(struct world *w)
{
	flo_waitgroup_add(&w->healthy, HEALTHY);
	for (int i = 0; i < HEALTHY; i++)
		coro_go(healthy, w);
	/* All have their stacks by then. */
	for (int i = 0; i < 3; i++)
		flo_yield();
}

static void end_healthy(struct world *w)
{
	atomic_store(&w->over, true);
	EXPECT(flo_waitgroup_wait(&w->healthy, NULL) == FLO_OK);
	EXPECT(atomic_load(&w->finished) == HEALTHY);
}

static void clean_up(void *arg)
{
	struct world *w = arg;

	flo_yield();
	atomic_fetch_add(&w->cleaned, 1);
}

static void commit(void *arg)
{
	struct world *w = arg;
	struct flo_defer_node node;

	flo_defer(&node, clean_up, w);
	w->kind->commit(NULL);
	flo_defer_run(&node);
}

static void commit_plainly(void *arg)
{
	struct world *w = arg;

	w->kind->commit(NULL);
}

static int signal_of(const struct fault_kind *kind)
{
	return kind->contained == FAULT_PANICS ? 0 : kind->signal;
}

static void break_once(struct world *w, void (*fn)(void *arg))
{
	const struct fault_kind *kind = w->kind;
	flo_panic_info info = {.what = "a test"};
	flo_error err = FLO_ERROR_INIT;

	EXPECT(flo_try_info(fn, w, &err, &info) == FLO_PANIC);
	if (strstr(err.text, kind->text) == NULL) {
		fprintf(stderr, "%s: \"%s\" has no \"%s\"\n", kind->name,
			err.text, kind->text);
		EXPECT(!"the text is right");
	}
	EXPECT(info.signal == signal_of(kind));
	EXPECT(info.frames_len > 0);
	EXPECT(info.stack_overflow == (kind->number == 9));
}

/* --- kinds 1 to 10: nothing but the coroutine is touched ----------------- */

static void break_often(void *arg)
{
	struct world *w = arg;

	start_healthy(w);
	for (int i = 0; i < w->repeat; i++) {
		break_once(w, commit);
		flo_yield();
	}
	end_healthy(w);
}

static int contained(const void *arg)
{
	struct world w = {.kind = arg, .repeat = REPEAT};
	bool taints = w.kind->contained == FAULT_TAINTS;

	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	EXPECT(flo_fault_tainted() == 0);
	child_coro(2, break_often, &w);
	EXPECT(atomic_load(&w.cleaned) == REPEAT);
	EXPECT(flo_fault_tainted() == (taints ? REPEAT : 0));
	return 0;
}

/* --- kind 11: a lock stays behind ---------------------------------------- */

/* On the same thread, whose arena it is: nothing in between parks. */
static void break_and_allocate(void *arg)
{
	struct world *w = arg;
	void *volatile p;

	break_once(w, commit_plainly);
	atomic_store(&w->tid, (int)syscall(SYS_gettid));
	p = malloc(100000);
	atomic_store(&w->went_on, true);
	free(p);
}

/* Sleeps in a futex: it waits for a lock. */
static bool waits_for_lock(int tid)
{
	char path[64], text[16] = "";
	int fd;

	snprintf(path, sizeof(path), "/proc/self/task/%d/syscall", tid);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			text[0] = '\0';
		close(fd);
	}
	return strtol(text, NULL, 10) == SYS_futex && text[0] != '\0';
}

static void arena_stays_locked(void *arg)
{
	struct world *w = arg;

	start_healthy(w);
	coro_go(break_and_allocate, w);
	UNTIL(atomic_load(&w->tid) != 0);
	UNTIL(waits_for_lock(atomic_load(&w->tid)));
	end_healthy(w);
	EXPECT(!atomic_load(&w->went_on));
	_exit(atomic_load(&coro_failures) > 0 ? 99 : 0);
}

static void breaks_with_lock(void *arg)
{
	struct world *w = arg;

	start_healthy(w);
	break_once(w, commit_plainly);
	end_healthy(w);
}

static int leaves_lock(const void *arg)
{
	struct world w = {.kind = arg};

	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	if (strcmp(w.kind->name, "fault_in_malloc") == 0) {
		child_coro(2, arena_stays_locked, &w);
		return 1;
	}
	child_coro(2, breaks_with_lock, &w);
	EXPECT(flo_fault_tainted() == 1);
	if (strcmp(w.kind->name, "fault_with_file") == 0)
		EXPECT(ftrylockfile(fault_file) != 0);
	else
		EXPECT(pthread_mutex_trylock(&fault_mutex) != 0);
	return 0;
}

/* --- kinds 12 to 14: what no handler sees -------------------------------- */

static void nothing_is_seen(void *arg)
{
	struct world *w = arg;

	start_healthy(w);
	EXPECT(flo_try(commit_plainly, w, NULL) == FLO_OK);
	EXPECT(fault_unseen_take());
	end_healthy(w);
}

static int unseen(const void *arg)
{
	struct world w = {.kind = arg};

	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(2, nothing_is_seen, &w);
	EXPECT(flo_fault_tainted() == 0);
	return 0;
}

static void break_the_process(void *arg)
{
	struct world *w = arg;
	flo_panic_info info = {.what = "step a[2].b"};

	flo_try_info(commit_plainly, w, NULL, &info);
}

static int ends_process(const void *arg)
{
	struct world w = {.kind = arg};

	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(2, break_the_process, &w);
	return 0;
}

static int ends_process_with_five(const void *arg)
{
	struct world w = {.kind = arg};
	struct flo_fault_options options = {.exit_code = 5};

	EXPECT(flo_fault_contain(&options, NULL) == FLO_OK);
	child_coro(2, break_the_process, &w);
	return 0;
}

static void others_go_on(void *arg)
{
	struct world *w = arg;

	start_healthy(w);
	coro_go(commit_plainly, w);
	for (int i = 0; i < 100; i++)
		flo_yield();
	end_healthy(w);
	fault_endless_stop();
}

static int endless(const void *arg)
{
	struct world w = {.kind = arg};

	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(1, others_go_on, &w);
	EXPECT(flo_fault_tainted() == 0);
	return 0;
}

/* --- without containment ------------------------------------------------- */

static void break_uncontained(void *arg)
{
	struct world *w = arg;

	w->kind->commit(NULL);
}

static int uncontained(const void *arg)
{
	struct world w = {.kind = arg};

	child_coro(2, break_uncontained, &w);
	return 0;
}

/* --- the table ----------------------------------------------------------- */

static int (*const ways[])(const void *arg) = {
	[FAULT_TAINTS] = contained,   [FAULT_PANICS] = contained,
	[FAULT_LOCKS] = leaves_lock,  [FAULT_UNSEEN] = unseen,
	[FAULT_EXITS] = ends_process, [FAULT_ENDLESS] = endless,
};

static void check_contained(const struct fault_kind *kind)
{
	struct child_end end = child_run(ways[kind->contained], kind);

	if (kind->contained != FAULT_EXITS) {
		child_check(&end, kind->name, 0, 0);
		return;
	}
	child_check(&end, kind->name, kind->signal, kind->exit_code);
	assert_non_null(strstr(end.said, kind->text));
	if (kind->exit_code < 0)
		return;
	assert_non_null(strstr(end.said, "step a[2].b"));
	end = child_run(ends_process_with_five, kind);
	child_check(&end, kind->name, 0, 5);
}

static void each_kind_ends_as_documented(void **state)
{
	(void)state;
	for (size_t i = 0; i < fault_kinds_len; i++) {
		if (fault_kind_works(&fault_kinds[i]))
			check_contained(&fault_kinds[i]);
		else
			print_message("[  SKIPPED ] %s: a sanitizer replaces "
				      "what it is about\n",
				      fault_kinds[i].name);
	}
}

static void uncontained_it_dies_of_its_signal(void **state)
{
	(void)state;
	for (size_t i = 0; i < fault_kinds_len; i++) {
		const struct fault_kind *kind = &fault_kinds[i];
		struct child_end end;

		if (kind->signal == 0 || !fault_kind_works(kind))
			continue;
		end = child_run(uncontained, kind);
		child_check(&end, kind->name, kind->signal, -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_kind_ends_as_documented),
		cmocka_unit_test(uncontained_it_dies_of_its_signal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
