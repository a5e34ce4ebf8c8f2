/* flo_rwmutex: who excludes whom, in which order, and waits that end early. */
#include "coro.h"
#include "waiting.h"

#include <flo/sync.h>

#include <string.h>

static void many_read_or_one_writes_body(void *arg)
{
	flo_rwmutex rw = {.state = 0};

	(void)arg;
	flo_rwmutex_rlock(&rw);
	flo_rwmutex_rlock(&rw);
	EXPECT(flo_rwmutex_tryrlock(&rw));
	EXPECT(!flo_rwmutex_trylock(&rw));
	for (int i = 0; i < 3; i++)
		flo_rwmutex_runlock(&rw);
	EXPECT(flo_rwmutex_trylock(&rw));
	EXPECT(!flo_rwmutex_tryrlock(&rw));
	EXPECT(!flo_rwmutex_trylock(&rw));
	flo_rwmutex_unlock(&rw);
	flo_rwmutex_lock(&rw);
	flo_rwmutex_unlock(&rw);
	EXPECT(rw.state == 0);
}
CORO_TEST(many_read_or_one_writes);

/* --- readers together ------------------------------------------------------ */

struct reading {
	flo_rwmutex rw;
	atomic_int inside;
	int all;
	flo_waitgroup ended;
};

static void read_until_all_do(void *arg)
{
	struct reading *r = arg;

	flo_rwmutex_rlock(&r->rw);
	atomic_fetch_add(&r->inside, 1);
	UNTIL(atomic_load(&r->inside) == r->all);
	flo_rwmutex_runlock(&r->rw);
	flo_waitgroup_done(&r->ended);
}

static void readers_read_at_the_same_time_body(void *arg)
{
	(void)arg;
	for (int n = 1; n <= 16; n *= 4) {
		struct reading r = {.all = n};

		flo_waitgroup_add(&r.ended, n);
		for (int i = 0; i < n; i++)
			coro_go(read_until_all_do, &r);
		flo_waitgroup_wait(&r.ended, NULL);
		EXPECT(r.rw.state == 0);
	}
}
CORO_TEST(readers_read_at_the_same_time);

/* --- who comes in which order ----------------------------------------------- */

/* Each writes its letter once it is inside, and stays until it is let go. */
struct house {
	flo_rwmutex rw;
	char order[16];
	atomic_int len;
	flo_waitgroup ended;
};

struct guest {
	struct house *house;
	flo_context *context;
	char letter; /* capital: a writer */
	flo_sem go;
	flo_status status;
	atomic_bool left;
};

static bool writes(const struct guest *g)
{
	return g->letter < 'a';
}

static void visit(void *arg)
{
	struct guest *g = arg;
	struct house *h = g->house;

	g->status = writes(g) ? flo_rwmutex_lock_ctx(&h->rw, g->context)
			      : flo_rwmutex_rlock_ctx(&h->rw, g->context);
	if (g->status == FLO_OK) {
		h->order[atomic_fetch_add(&h->len, 1)] = g->letter;
		flo_sem_take(&g->go, NULL);
		if (writes(g))
			flo_rwmutex_unlock(&h->rw);
		else
			flo_rwmutex_runlock(&h->rw);
	}
	atomic_store(&g->left, true);
	flo_waitgroup_done(&h->ended);
}

static void send_guest(struct house *h, struct guest *g, char letter)
{
	*g = (struct guest){.house = h,
			    .letter = letter,
			    .context = g->context};
	flo_waitgroup_add(&h->ended, 1);
	coro_go(visit, g);
}

/* One that cannot come in yet: returns when it stands in line. */
static void line_up(struct house *h, struct guest *g, char letter)
{
	struct flo__waitq *q = letter < 'a' ? &h->rw.writers : &h->rw.readers;
	uint32_t before = waiting_in(q);

	send_guest(h, g, letter);
	UNTIL(waiting_in(q) == before + 1);
}

static void expect_inside(struct house *h, int n)
{
	UNTIL(atomic_load(&h->len) >= n);
	EXPECT(atomic_load(&h->len) == n);
}

static void dismiss(struct guest *g)
{
	flo_sem_give(&g->go);
	UNTIL(atomic_load(&g->left));
}

static void a_waiting_writer_keeps_new_readers_out_body(void *arg)
{
	struct house h = {.rw = {.state = 0}};
	struct guest r1 = {0}, r2 = {0}, w = {0};

	(void)arg;
	send_guest(&h, &r1, 'a');
	expect_inside(&h, 1);
	line_up(&h, &w, 'W');
	EXPECT(!flo_rwmutex_tryrlock(&h.rw));
	line_up(&h, &r2, 'b');
	EXPECT(atomic_load(&h.len) == 1);
	dismiss(&r1);
	expect_inside(&h, 2);
	dismiss(&w);
	expect_inside(&h, 3);
	dismiss(&r2);
	flo_waitgroup_wait(&h.ended, NULL);
	EXPECT(memcmp(h.order, "aWb", 3) == 0);
	EXPECT(h.rw.state == 0);
}
CORO_TEST(a_waiting_writer_keeps_new_readers_out);

static void readers_go_before_the_next_writer_body(void *arg)
{
	struct house h = {.rw = {.state = 0}};
	struct guest w[3] = {0}, r[3] = {0};

	(void)arg;
	send_guest(&h, &w[0], 'A');
	expect_inside(&h, 1);
	line_up(&h, &w[1], 'B');
	line_up(&h, &w[2], 'C');
	for (int i = 0; i < 3; i++)
		line_up(&h, &r[i], 'r');
	dismiss(&w[0]);
	/* all of them, and no writer beside them */
	expect_inside(&h, 4);
	EXPECT(waiting_in(&h.rw.writers) == 2);
	for (int i = 0; i < 3; i++) {
		EXPECT(atomic_load(&h.len) == 4);
		dismiss(&r[i]);
	}
	expect_inside(&h, 5);
	dismiss(&w[1]);
	expect_inside(&h, 6);
	dismiss(&w[2]);
	flo_waitgroup_wait(&h.ended, NULL);
	EXPECT(memcmp(h.order, "ArrrBC", 6) == 0);
	EXPECT(h.rw.state == 0);
}
CORO_TEST(readers_go_before_the_next_writer);

/* --- contexts ------------------------------------------------------------------ */

static void readers_go_on_when_a_writer_gives_up_body(void *arg)
{
	struct house h = {.rw = {.state = 0}};
	struct guest r1 = {0}, r2 = {0}, w = {0};

	(void)arg;
	w.context = flo_context_new(flo_runtime_current());
	send_guest(&h, &r1, 'a');
	expect_inside(&h, 1);
	line_up(&h, &w, 'W');
	line_up(&h, &r2, 'b');
	flo_context_cancel(w.context, NULL);
	/* beside the first one */
	expect_inside(&h, 2);
	UNTIL(atomic_load(&w.left));
	EXPECT(w.status == FLO_CANCELED);
	EXPECT(flo_rwmutex_tryrlock(&h.rw));
	flo_rwmutex_runlock(&h.rw);
	dismiss(&r1);
	dismiss(&r2);
	flo_waitgroup_wait(&h.ended, NULL);
	EXPECT(h.rw.state == 0);
	flo_context_unref(w.context);
}
CORO_TEST(readers_go_on_when_a_writer_gives_up);

static void readers_and_writers_give_up_body(void *arg)
{
	struct house h = {.rw = {.state = 0}};
	struct guest r = {0}, w = {0};

	(void)arg;
	r.context = flo_context_new(flo_runtime_current());
	w.context = r.context;
	flo_rwmutex_lock(&h.rw);
	line_up(&h, &r, 'r');
	line_up(&h, &w, 'W');
	flo_context_cancel(r.context, NULL);
	flo_waitgroup_wait(&h.ended, NULL);
	EXPECT(r.status == FLO_CANCELED && w.status == FLO_CANCELED);
	flo_rwmutex_unlock(&h.rw);
	EXPECT(h.rw.state == 0);
	/* ended before: not even what is free */
	EXPECT(flo_rwmutex_lock_ctx(&h.rw, r.context) == FLO_CANCELED);
	EXPECT(flo_rwmutex_rlock_ctx(&h.rw, r.context) == FLO_CANCELED);
	EXPECT(h.rw.state == 0);
	flo_context_unref(r.context);
}
CORO_TEST(readers_and_writers_give_up);

/* --- hammered -------------------------------------------------------------------- */

/* Readers count ones, writers ten thousands: as Go's HammerRWMutex. */
struct hammered {
	flo_rwmutex rw;
	flo_context *root;
	atomic_int activity;
	atomic_long reads, writes, late;
	flo_waitgroup ended;
	int rounds;
};

static bool lock_somehow(struct hammered *h, bool write, int i)
{
	flo_context *c;
	flo_status st;

	if (i % 5 == 0)
		return write ? flo_rwmutex_trylock(&h->rw)
			     : flo_rwmutex_tryrlock(&h->rw);
	if (i % 5 == 1) {
		c = flo_context_timeout(h->root, 500 + (uint64_t)i % 50 * 700,
					"soon");
		st = write ? flo_rwmutex_lock_ctx(&h->rw, c)
			   : flo_rwmutex_rlock_ctx(&h->rw, c);
		flo_context_unref(c);
		if (st != FLO_OK)
			atomic_fetch_add(&h->late, 1);
		return st == FLO_OK;
	}
	if (write)
		flo_rwmutex_lock(&h->rw);
	else
		flo_rwmutex_rlock(&h->rw);
	return true;
}

static void read_often(void *arg)
{
	struct hammered *h = arg;
	int n;

	for (int i = 0; i < h->rounds; i++) {
		if (!lock_somehow(h, false, i))
			continue;
		n = 1 + atomic_fetch_add(&h->activity, 1);
		EXPECT(n >= 1 && n < 10000);
		atomic_fetch_add(&h->reads, 1);
		if (i % 3 == 0)
			flo_yield();
		atomic_fetch_sub(&h->activity, 1);
		flo_rwmutex_runlock(&h->rw);
	}
	flo_waitgroup_done(&h->ended);
}

static void write_often(void *arg)
{
	struct hammered *h = arg;

	for (int i = 0; i < h->rounds; i++) {
		if (!lock_somehow(h, true, i))
			continue;
		EXPECT(atomic_fetch_add(&h->activity, 10000) == 0);
		atomic_fetch_add(&h->writes, 1);
		if (i % 3 == 0)
			flo_yield();
		EXPECT(atomic_fetch_sub(&h->activity, 10000) == 10000);
		flo_rwmutex_unlock(&h->rw);
	}
	flo_waitgroup_done(&h->ended);
}

static void hammer(int readers, int writers)
{
	struct hammered h = {.rounds = CORO_STRESS(3000)};

	h.root = flo_context_new(flo_runtime_current());
	flo_waitgroup_add(&h.ended, readers + writers);
	for (int i = 0; i < writers; i++)
		coro_go(write_often, &h);
	for (int i = 0; i < readers; i++)
		coro_go(read_often, &h);
	flo_waitgroup_wait(&h.ended, NULL);
	/* three of five lock without a condition */
	EXPECT(atomic_load(&h.reads) >= readers * h.rounds / 5 * 3);
	EXPECT(atomic_load(&h.writes) >= writers * h.rounds / 5 * 3);
	EXPECT(atomic_load(&h.activity) == 0 && h.rw.state == 0);
	EXPECT(waiting_in(&h.rw.writers) == 0);
	EXPECT(waiting_in(&h.rw.readers) == 0);
	flo_context_unref(h.root);
}

static void nobody_meets_a_writer_inside_body(void *arg)
{
	(void)arg;
	hammer(1, 1);
	hammer(3, 1);
	hammer(10, 1);
	hammer(10, 5);
	hammer(2, 8);
}
CORO_TEST(nobody_meets_a_writer_inside);

/* Plain data: what a lock that orders too little leaves to the sanitizer. */
struct pair {
	flo_rwmutex rw;
	long a, b; /* by rw: equal */
	flo_waitgroup ended;
};

static void change_both(void *arg)
{
	struct pair *p = arg;

	for (int i = 0; i < CORO_STRESS(5000); i++) {
		flo_rwmutex_lock(&p->rw);
		p->a++;
		p->b++;
		flo_rwmutex_unlock(&p->rw);
	}
	flo_waitgroup_done(&p->ended);
}

static void compare_both(void *arg)
{
	struct pair *p = arg;

	for (int i = 0; i < CORO_STRESS(5000); i++) {
		flo_rwmutex_rlock(&p->rw);
		EXPECT(p->a == p->b);
		flo_rwmutex_runlock(&p->rw);
	}
	flo_waitgroup_done(&p->ended);
}

static void readers_see_what_writers_wrote_body(void *arg)
{
	struct pair p = {.a = 0};

	(void)arg;
	flo_waitgroup_add(&p.ended, 6);
	for (int i = 0; i < 2; i++) {
		coro_go(change_both, &p);
		coro_go(compare_both, &p);
		coro_go(compare_both, &p);
	}
	flo_waitgroup_wait(&p.ended, NULL);
	EXPECT(p.a == 2 * CORO_STRESS(5000) && p.b == p.a);
}
CORO_TEST(readers_see_what_writers_wrote);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_read_or_one_writes),
		cmocka_unit_test(readers_read_at_the_same_time),
		cmocka_unit_test(a_waiting_writer_keeps_new_readers_out),
		cmocka_unit_test(readers_go_before_the_next_writer),
		cmocka_unit_test(readers_go_on_when_a_writer_gives_up),
		cmocka_unit_test(readers_and_writers_give_up),
		cmocka_unit_test(nobody_meets_a_writer_inside),
		cmocka_unit_test(readers_see_what_writers_wrote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
