/* What asks to be woken soon does not pass that on, nor overrule anybody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/prompt.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct attr {
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

#define CHECK(what)                                                            \
	do {                                                                   \
		if (!(what))                                                   \
			_exit(__LINE__ % 200 + 1);                             \
	} while (0)

static struct attr mine(void)
{
	struct attr attr = {.size = sizeof(attr)};

	CHECK(syscall(SYS_sched_getattr, 0, &attr, sizeof(attr), 0) == 0);
	return attr;
}

/* Each case in a process of its own: what was asked for stays. */
static void in_a_child(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void asks(void)
{
	struct attr before, after;
	pid_t pid;
	int status;

	/* Who is favoured is left alone, see below. */
	CHECK(setpriority(PRIO_PROCESS, 0, 0) == 0 ||
	      setpriority(PRIO_PROCESS, 0, 19) == 0);
	before = mine();
	flo__thread_prompt();
	after = mine();
	CHECK(after.policy == SCHED_OTHER && after.nice == before.nice);
	CHECK(after.flags == 1);
	/* Linux before 6.12 has no such turns, and says 0. */
	CHECK(after.runtime == before.runtime || after.runtime == 300000);
	pid = fork();
	if (pid == 0) {
		after = mine();
		CHECK(after.flags == 0 && after.runtime == before.runtime);
		CHECK(after.nice == before.nice);
		_exit(0);
	}
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void keeps_all(void)
{
	struct attr before = mine(), after;

	flo__thread_prompt();
	after = mine();
	CHECK(memcmp(&before, &after, sizeof(before)) == 0);
}

static void is_batch(void)
{
	struct sched_param param = {0};

	CHECK(sched_setscheduler(0, SCHED_BATCH, &param) == 0);
	keeps_all();
}

static void is_favoured(void)
{
	/* Who may not do that cannot be asked to keep it. */
	if (setpriority(PRIO_PROCESS, 0, -1) == 0)
		keeps_all();
}

static void the_wish_is_not_inherited(void **state)
{
	(void)state;
	in_a_child(asks);
}

static void another_policy_stays(void **state)
{
	(void)state;
	in_a_child(is_batch);
}

static void a_nice_value_below_zero_stays(void **state)
{
	(void)state;
	in_a_child(is_favoured);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_wish_is_not_inherited),
		cmocka_unit_test(another_policy_stays),
		cmocka_unit_test(a_nice_value_below_zero_stays),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
