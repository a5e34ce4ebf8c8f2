/*
 * Compile pipelines of many steps, in many shapes.
 *
 * Usage: compile_bench SHAPE STEPS [--print]
 *
 * Prints "SECONDS MEBIBYTES BYTES": the CPU time of compiling, the memory
 * resident at the most beyond the text, and how long the text is. With --print
 * the pipeline instead. Without arguments: the shapes.
 */
#include <flo/engine.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct made {
	struct flo__strbuf sb;
	uint32_t n;
	uint64_t seed;
};

/* Numerical Recipes' generator: the same pipelines each time. */
static uint32_t draw(struct made *m, uint32_t below)
{
	m->seed = m->seed * UINT64_C(6364136223846793005) +
		  UINT64_C(1442695040888963407);
	return (uint32_t)((m->seed >> 33) % below);
}

#define PUT(m, ...) flo__strbuf_addf(&(m)->sb, __VA_ARGS__)

static void comma(struct made *m, uint32_t i)
{
	flo__strbuf_adds(&m->sb, i != 0 ? ",\n" : "\n");
}

static void flat(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"steps\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m, "{\"name\":\"s%u\",\"use\":\"core.noop\"}", i);
	}
	PUT(m, "]}");
}

/* A group in which step @i needs up to @most others, drawn by @need. */
static void dag(struct made *m, uint32_t most,
		uint32_t (*need)(struct made *m, uint32_t i, uint32_t k))
{
	PUT(m, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		uint32_t seen[16];
		uint32_t len = 0;

		comma(m, i);
		PUT(m, "{\"name\":\"s%u\",\"use\":\"core.noop\",\"needs\":[",
		    i);
		for (uint32_t k = 0; k < most && k < i; k++) {
			uint32_t dep = need(m, i, k);
			bool twice = false;

			for (uint32_t j = 0; j < len; j++)
				twice |= seen[j] == dep;
			if (twice)
				continue;
			PUT(m, "%s\"s%u\"", len != 0 ? "," : "", dep);
			seen[len++] = dep;
		}
		PUT(m, "]}");
	}
	PUT(m, "]}]}");
}

static uint32_t need_last(struct made *m, uint32_t i, uint32_t k)
{
	(void)m;
	return i - 1 - k;
}

static uint32_t need_first(struct made *m, uint32_t i, uint32_t k)
{
	(void)m;
	(void)i;
	return k;
}

static uint32_t need_any(struct made *m, uint32_t i, uint32_t k)
{
	(void)k;
	return draw(m, i);
}

static void chain(struct made *m)
{
	dag(m, 1, need_last);
}

static void fan(struct made *m)
{
	dag(m, 1, need_first);
}

static void any(struct made *m)
{
	dag(m, 3, need_any);
}

static void ten(struct made *m)
{
	dag(m, 10, need_any);
}

/* Groups of ten in sequences of ten in groups of ten ... */
static void nest(struct made *m, uint32_t first, uint32_t n, uint32_t depth)
{
	uint32_t part = (n + 9) / 10;

	for (uint32_t i = 0; i < n; i += part) {
		uint32_t left = n - i < part ? n - i : part;

		comma(m, i);
		if (part == 1) {
			PUT(m, "{\"name\":\"s%u\",\"use\":\"core.noop\"}",
			    first + i);
			continue;
		}
		PUT(m, "{\"name\":\"b%u\",\"%s\":[", first + i,
		    depth % 2 != 0 ? "group" : "steps");
		nest(m, first + i, left, depth + 1);
		PUT(m, "]}");
	}
}

static void nested(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"steps\":[");
	nest(m, 0, m->n, 1);
	PUT(m, "]}");
}

/* What people write: a program with templates, a condition, an environment. */
static void templates(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"params\":{\"a\":{\"default\":\"x\"},\"n\":"
	       "{\"type\":\"integer\",\"default\":1}},\"steps\":["
	       "{\"name\":\"s0\",\"exec\":[\"true\"]}");
	for (uint32_t i = 1; i < m->n; i++) {
		comma(m, i);
		PUT(m,
		    "{\"name\":\"s%u\",\"exec\":[\"echo\",\"${{ params.a "
		    "}}-${{ steps.s%u.output }}\"],\"when\":\"params.n > %u "
		    "&& steps.s%u.status == 'succeeded'\",\"env\":{\"A\":\"${{ "
		    "run.id }}\"}}",
		    i, i - 1, i % 7, draw(m, i));
	}
	PUT(m, "]}");
}

/* A param for each step, and its use. */
static void params(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"params\":{");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m, "\"p%u\":{\"type\":\"integer\",\"default\":%u}", i, i);
	}
	PUT(m, "},\"steps\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m,
		    "{\"name\":\"s%u\",\"use\":\"core.set\",\"with\":{\"v\":"
		    "\"${{ params.p%u }}\"}}",
		    i, draw(m, m->n));
	}
	/* All are used, or each would be a warning. */
	PUT(m, "],\"output\":\"${{ params }}\"}");
}

/* An environment variable for each step, and its use. */
static void env(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"env\":{");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m, "\"V%u\":\"%u\"", i, i);
	}
	PUT(m, "},\"steps\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m,
		    "{\"name\":\"s%u\",\"use\":\"core.set\",\"with\":{\"v\":"
		    "\"${{ env.V%u }}\"}}",
		    i, draw(m, m->n));
	}
	PUT(m, "]}");
}

/* Names that differ at their ends only. */
static void prefix(struct made *m)
{
	static const char common[] = "a_name_that_is_as_long_as_it_may_be_and_"
				     "the_same_for_all_";

	PUT(m, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m, "{\"name\":\"%.55s%u\",\"use\":\"core.noop\"", common,
		    i);
		if (i != 0)
			PUT(m, ",\"needs\":[\"%.55s%u\"]", common, draw(m, i));
		PUT(m, "}");
	}
	PUT(m, "]}]}");
}

/* Each refers to a step that it needs only through all those between. */
static void indirect(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m, "{\"name\":\"s%u\",\"use\":\"core.set\"", i);
		if (i != 0)
			PUT(m,
			    ",\"needs\":[\"s%u\"],\"with\":{\"v\":\"${{ "
			    "steps.s%u.output }}\"}",
			    i - 1, draw(m, i));
		PUT(m, "}");
	}
	PUT(m, "]}]}");
}

/* Two of the fifty before each, and a reference to what is needed through some
 * thousand others. */
static void far(struct made *m)
{
	uint32_t(*deps)[2] = flo__calloc(m->n, sizeof(*deps));

	PUT(m, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[");
	for (uint32_t i = 0; deps != NULL && i < m->n; i++) {
		uint32_t near = i < 50 ? i : 50;
		uint32_t at = i;

		comma(m, i);
		PUT(m, "{\"name\":\"s%u\",\"use\":\"core.set\"", i);
		deps[i][0] = near > 1 ? i - 1 - draw(m, near / 2) : 0;
		deps[i][1] =
			near > 1 ? i - 1 - near / 2 - draw(m, near / 2) : 0;
		for (uint32_t hops = draw(m, 2000); hops > 0 && at > 1; hops--)
			at = deps[at][draw(m, 2)];
		if (near > 1)
			PUT(m,
			    ",\"needs\":[\"s%u\",\"s%u\"],\"with\":{\"v\":"
			    "\"${{ steps.s%u.output }}\"}",
			    deps[i][0], deps[i][1], at < i ? at : deps[i][0]);
		PUT(m, "}");
	}
	PUT(m, "]}]}");
	flo__free(deps);
}

/* One step that needs all others. */
static void join(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m, "{\"name\":\"s%u\",\"use\":\"core.noop\"}", i);
	}
	PUT(m, ",{\"name\":\"last\",\"use\":\"core.noop\",\"needs\":[");
	for (uint32_t i = 0; i < m->n; i++)
		PUT(m, "%s\"s%u\"", i != 0 ? "," : "", i);
	PUT(m, "]}]}]}");
}

/* A literal list, and an object with as many keys. */
static void items(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"steps\":[{\"name\":\"f\",\"foreach\":[");
	for (uint32_t i = 0; i < m->n; i++)
		PUT(m, "%s%u", i != 0 ? "," : "", i);
	PUT(m, "],\"use\":\"core.set\",\"with\":{");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m, "\"k%u\":\"${{ item }}\"", i);
	}
	PUT(m, "}}]}");
}

/* Nothing is right: each step needs what is not there. */
static void errors(struct made *m)
{
	PUT(m, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[");
	for (uint32_t i = 0; i < m->n; i++) {
		comma(m, i);
		PUT(m,
		    "{\"name\":\"s%u\",\"use\":\"core.noop\",\"needs\":[\"t%u"
		    "\"],\"wehn\":\"params.x%u\",\"env\":{\"A\":\"${{ "
		    "steps.u%u }}${{ params.q }}\"}}",
		    i, i, i, i);
	}
	PUT(m, "]}]}");
}

static const struct shape {
	const char *name;
	void (*make)(struct made *m);
} shapes[] = {
	{"flat", flat},		{"chain", chain},   {"fan", fan},
	{"any", any},		{"ten", ten},	    {"join", join},
	{"nested", nested},	{"prefix", prefix}, {"templates", templates},
	{"params", params},	{"env", env},	    {"items", items},
	{"indirect", indirect}, {"far", far},	    {"errors", errors},
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static long peak_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

/* What @arg says is to be expected of a shape is not said again. */
static void tell(const flo_diagnostic *d, void *arg)
{
	bool *expected = arg;

	if (!*expected)
		fprintf(stderr, "%d:%d: %s\n", d->line, d->column, d->message);
	*expected = true;
}

/* @wrong: the text is full of mistakes. */
static int measure(const struct flo__strbuf *text, bool wrong)
{
	flo_pipeline *pipeline = NULL;
	long before = peak_kib();
	double begin = cpu_seconds();
	double spent;

	flo_pipeline_load(NULL, text->data, text->len, "p.json", tell, &wrong,
			  NULL, &pipeline);
	spent = cpu_seconds() - begin;
	printf("%.3f %ld %zu\n", spent, (peak_kib() - before) / 1024,
	       text->len);
	flo_pipeline_free(pipeline);
	return 0;
}

int main(int argc, char **argv)
{
	struct made m = {.seed = 42};

	flo__strbuf_init(&m.sb);
	for (size_t i = 0; i < SHAPES; i++) {
		if (argc < 3) {
			puts(shapes[i].name);
			continue;
		}
		if (strcmp(argv[1], shapes[i].name) != 0)
			continue;
		m.n = (uint32_t)strtoul(argv[2], NULL, 10);
		shapes[i].make(&m);
		if (flo__strbuf_status(&m.sb) != FLO_OK)
			return 1;
		if (argc > 3)
			return fwrite(m.sb.data, 1, m.sb.len, stdout) !=
			       m.sb.len;
		return measure(&m.sb, shapes[i].make == errors);
	}
	return argc < 3 ? 0 : 2;
}
