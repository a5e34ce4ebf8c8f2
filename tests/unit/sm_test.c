/* flo__sm: only allowed moves happen, and each is seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/contract.h"
#include "base/sm.h"

#include <string.h>

enum {
	WAITING,
	RUNNING,
	ENDED
};

static const struct flo__sm_state states[] = {
	[WAITING] = {"waiting", FLO__SM_TO(RUNNING) | FLO__SM_TO(ENDED)},
	[RUNNING] = {"running", FLO__SM_TO(ENDED)},
	[ENDED] = {"ended", FLO__SM_FINAL},
};

/* What owns a machine: it may run only with a slot. */
struct job {
	struct flo__sm sm;
	int slots;
};

static bool job_is_sound(const struct flo__sm *sm, int prev)
{
	const struct job *job = (const struct job *)sm;

	(void)prev;
	return sm->state != RUNNING || job->slots == 1;
}

static const struct flo__sm_kind job_kind = {"job", states, 3, job_is_sound};

static jmp_buf broken;
static char broken_message[256];

static void catch_broken(const char *message)
{
	strncpy(broken_message, message, sizeof(broken_message) - 1);
	longjmp(broken, 1);
}

/* Whether a move to @to breaks a contract. */
static bool move_breaks(struct job *job, int to)
{
	volatile bool caught = true;

	flo__contract_set_handler(catch_broken);
	if (setjmp(broken) == 0) {
		flo__sm_move(&job->sm, to);
		caught = false;
	}
	flo__contract_set_handler(NULL);
	return caught;
}

static void allowed_moves_happen(void **state)
{
	struct job job = {.slots = 1};

	(void)state;
	flo__sm_init(&job.sm, &job_kind, WAITING);
	assert_string_equal(flo__sm_state_name(&job.sm), "waiting");
	assert_true(flo__sm_may(&job.sm, RUNNING));
	assert_false(flo__sm_may(&job.sm, WAITING));
	flo__sm_move(&job.sm, RUNNING);
	assert_false(flo__sm_is_final(&job.sm));
	flo__sm_move(&job.sm, ENDED);
	assert_true(flo__sm_is_final(&job.sm));
	flo__sm_fini(&job.sm);
}

static void forbidden_moves_break_a_contract(void **state)
{
	struct job job = {.slots = 1};

	(void)state;
	flo__sm_init(&job.sm, &job_kind, RUNNING);
	assert_true(move_breaks(&job, WAITING));
	assert_non_null(strstr(broken_message, "INSIST"));
	assert_int_equal(job.sm.state, RUNNING);
	assert_true(move_breaks(&job, 3));
	assert_true(move_breaks(&job, -1));
}

static void the_invariant_is_checked(void **state)
{
	struct job job = {.slots = 0};

	(void)state;
	flo__sm_init(&job.sm, &job_kind, WAITING);
	assert_true(move_breaks(&job, RUNNING));
	assert_non_null(strstr(broken_message, "invariant"));
}

static char traced[64];

static void trace(const struct flo__sm *sm, int from, int to)
{
	char move[3] = {(char)('0' + from), (char)('0' + to), '\0'};

	assert_string_equal(sm->kind->name, "job");
	if (from < 0)
		move[0] = '.';
	strcat(traced, move);
}

static void moves_are_traced(void **state)
{
	struct job job = {.slots = 1};

	(void)state;
	flo__sm_set_trace(trace);
	flo__sm_init(&job.sm, &job_kind, WAITING);
	flo__sm_move(&job.sm, RUNNING);
	flo__sm_move(&job.sm, ENDED);
	flo__sm_set_trace(NULL);
	assert_string_equal(traced, ".00112");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allowed_moves_happen),
		cmocka_unit_test(forbidden_moves_break_a_contract),
		cmocka_unit_test(the_invariant_is_checked),
		cmocka_unit_test(moves_are_traced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
