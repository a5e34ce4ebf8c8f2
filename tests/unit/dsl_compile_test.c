#include "dsl_fixture.h"

#define Q(...) #__VA_ARGS__

static const char example[] = Q({
	"$schema" : "./pipeline.schema.json",
	"name" : "cmdb_sync",
	"description" : "Pull three products, diff, apply, export the changes",
	"params" : {
		"products" :
			{"type" : "array", "default" : [ "vm", "db", "lb" ]},
		"dry_run" : {"type" : "boolean", "default" : false}
	},
	"env" : {"LC_ALL" : "C"},
	"limit" : 16,
	"timeout" : "30m",
	"schedule" : {
		"cron" : "*/15 * * * *",
		"timezone" : "Asia/Shanghai",
		"overlap" : "skip",
		"catch_up" : "last",
		"jitter" : "30s"
	},
	"steps" : [ {
		"name" : "sync",
		"foreach" : "params.products",
		"as" : "product",
		"limit" : 3,
		"on_error" : "continue",
		"steps" : [
			{
				"name" : "fetch",
				"exec" : [
					"./pull.sh", "${{ product }}",
					"${{ run.id }}"
				],
				"timeout" : "30s",
				"retry" : {
					"limit" : 3,
					"backoff" : "1s",
					"factor" : 2,
					"max" : "30s",
					"jitter" : 0.2
				}
			},
			{
				"name" : "pull",
				"use" : "cmdb.pull",
				"with" : {
					"db" : "cmdb.db",
					"source" : "${{ product }}",
					"file" : "${{ product }}.json",
					"records" : "/items"
				}
			},
			{
				"name" : "diff",
				"use" : "cmdb.diff",
				"with" : {
					"db" : "cmdb.db",
					"pull" : "${{ steps.pull.output }}",
					"key" : ["/id"]
				}
			},
			{
				"name" : "apply",
				"use" : "cmdb.apply",
				"with" : {
					"db" : "cmdb.db",
					"plan" : "${{ steps.diff.output }}"
				},
				"when" : "!params.dry_run"
			},
			{
				"name" : "after",
				"group" : [
					{
						"name" : "columnar",
						"use" : "cmdb.export",
						"with" : {
							"db" : "cmdb.db",
							"plan" :
								"${{ steps.diff.output }}",
							"format" : "parquet",
							"root" : "changes"
						}
					},
					{
						"name" : "tell",
						"exec" : [
							"./notify.sh",
							"${{ product }}",
							"${{ string(steps.diff.output.changed) }}"
						],
						"allow_failure" : true
					}
				]
			}
		]
	} ],
	"finally" :
		[ {"name" : "cleanup", "sh" : "rm -rf \"$FLOW_WORKDIR/tmp\""} ],
	"output" :
		{"changed" : "${{ steps.sync.output.map(p, p.diff.changed) }}"}
});

static uint32_t find(const struct flo__plan *plan, const char *name)
{
	for (uint32_t i = 0; i < plan->nodes_len; i++) {
		if (strcmp(plan->nodes[i].name, name) == 0 &&
		    !plan->nodes[i].is_body)
			return i;
	}
	fail_msg("no node %s", name);
	return 0;
}

static void the_example_becomes_a_plan(void **state)
{
	struct flo__plan *plan = plan_of(example);
	const struct flo__node *root = &plan->nodes[0];
	const struct flo__node *sync = &plan->nodes[find(plan, "sync")];
	const struct flo__node *body;
	const struct flo__node *fetch = &plan->nodes[find(plan, "fetch")];
	const struct flo__block *block = &plan->blocks[sync->spec];
	const struct flo__leaf *leaf = &plan->leaves[fetch->spec];

	(void)state;
	assert_string_equal(plan->name, "cmdb_sync");
	assert_string_equal(plan->file, "pipeline.json");
	assert_int_equal(plan->dir[0], '/');
	assert_int_equal(plan->limit.fixed, 16);
	assert_int_equal(plan->env_len, 1);
	assert_int_equal(root->children_len, 1);
	assert_int_equal(sync->kind, FLO__NODE_FOREACH);
	assert_int_equal(block->limit.fixed, 3);
	assert_int_equal(block->on_error, FLO__ON_ERROR_CONTINUE);
	assert_string_equal(block->as, "product");
	body = &plan->nodes[plan->children[sync->first_child]];
	assert_true(body->is_body);
	assert_int_equal(body->kind, FLO__NODE_SEQUENCE);
	assert_int_equal(body->children_len, 5);
	assert_int_equal(leaf->argv_len, 3);
	assert_int_equal(leaf->retry->limit.fixed, 3);
	assert_int_equal(plan->attrs[fetch->attrs].timeout.fixed,
			 UINT64_C(30000000000));
	assert_int_not_equal(plan->blocks[root->spec].finally, FLO__NODE_NONE);
	assert_true(plan->nodes[find(plan, "tell")].allow_failure);
	plan->free(plan);
}

static void expressions_compute_in_their_scope(void **state)
{
	struct flo__plan *plan = plan_of(example);
	const struct flo__node *pull = &plan->nodes[find(plan, "pull")];
	const struct flo__node *apply = &plan->nodes[find(plan, "apply")];
	const struct flo__node *tell = &plan->nodes[find(plan, "tell")];
	const struct flo__node *cleanup = &plan->nodes[find(plan, "cleanup")];
	struct test_scope scope = {
		.plan = plan,
		.params = json_value(Q({"dry_run" : true})),
		.outputs = json_value(Q({
			"diff" : {"changed" : 7},
			"sync" : [
				{"diff" : {"changed" : 1}},
				{"diff" : {"changed" : 2}}
			]
		})),
		.item = json_value(Q("vm")),
	};

	(void)state;
	assert_computes(plan->leaves[pull->spec].with, &scope,
			"{\"db\":\"cmdb.db\",\"source\":\"vm\","
			"\"file\":\"vm.json\",\"records\":\"/items\"}");
	assert_computes(plan->attrs[apply->attrs].when, &scope, "false");
	assert_computes(plan->leaves[tell->spec].argv[2], &scope, "\"7\"");
	assert_computes(plan->output, &scope, "{\"changed\":[1,2]}");
	assert_computes(plan->leaves[cleanup->spec].argv[1], &scope, "\"-eu\"");
	assert_computes(plan->leaves[cleanup->spec].argv[3], &scope,
			"\"rm -rf \\\"$FLOW_WORKDIR/tmp\\\"\"");
	flo_value_unref(scope.params);
	flo_value_unref(scope.outputs);
	flo_value_unref(scope.item);
	plan->free(plan);
}

static void needs_become_edges_both_ways(void **state)
{
	struct flo__plan *plan = plan_of(Q({
		"name" : "p",
		"steps" : [ {
			"name" : "g",
			"group" : [
				{"name" : "a", "use" : "core.noop"}, {
					"name" : "b",
					"use" : "core.noop",
					"needs" : ["a"]
				},
				{
					"name" : "c",
					"use" : "core.noop",
					"needs" : [ "a", "b" ]
				}
			]
		} ]
	}));
	const struct flo__node *a = &plan->nodes[find(plan, "a")];
	const struct flo__node *c = &plan->nodes[find(plan, "c")];

	(void)state;
	assert_int_equal(a->deps_len, 0);
	assert_int_equal(a->succs_len, 2);
	assert_int_equal(plan->edges[a->first_succ], find(plan, "b"));
	assert_int_equal(plan->edges[a->first_succ + 1], find(plan, "c"));
	assert_int_equal(c->deps_len, 2);
	assert_int_equal(plan->edges[c->first_dep], find(plan, "a"));
	assert_int_equal(c->succs_len, 0);
	plan->free(plan);
}

static void a_foreach_splits_its_keys(void **state)
{
	struct flo__plan *plan = plan_of(Q({
		"name" : "p",
		"steps" : [ {
			"name" : "f",
			"foreach" : [ 1, 2 ],
			"exec" : [ "echo", "${{ item }}", "${{ index }}" ],
			"env" : {"N" : "${{ item }}"},
			"timeout" : "5s",
			"when" : "run.id != ''",
			"allow_failure" : true,
			"max_failures" : "50%"
		} ]
	}));
	const struct flo__node *f = &plan->nodes[find(plan, "f")];
	const struct flo__node *body =
		&plan->nodes[plan->children[f->first_child]];
	struct test_scope scope = {.plan = plan, .index = 4};

	(void)state;
	scope.item = json_value("{\"a\": 1}");
	assert_int_equal(f->kind, FLO__NODE_FOREACH);
	assert_true(f->allow_failure);
	assert_false(body->allow_failure);
	assert_non_null(plan->attrs[f->attrs].when);
	assert_null(plan->attrs[body->attrs].when);
	assert_int_equal(plan->attrs[f->attrs].timeout.fixed, 0);
	assert_int_equal(plan->attrs[body->attrs].timeout.fixed,
			 UINT64_C(5000000000));
	assert_int_equal(plan->attrs[body->attrs].env_len, 1);
	assert_true(plan->blocks[f->spec].max_failures_percent == 50);
	assert_int_equal(body->kind, FLO__NODE_EXEC);
	assert_computes(plan->leaves[body->spec].argv[1], &scope,
			"\"{\\\"a\\\":1}\"");
	assert_computes(plan->leaves[body->spec].argv[2], &scope, "\"4\"");
	flo_value_unref(scope.item);
	plan->free(plan);
}

static void defaults_reach_every_leaf(void **state)
{
	struct flo__plan *plan = plan_of(Q({
		"name" : "p",
		"params" : {"t" : {"default" : "1s"}},
		"defaults" : {
			"timeout" : "${{ params.t }}",
			"grace" : "3s",
			"retry" : {"limit" : 2},
			"env" : {"A" : "b"},
			"dir" : "sub"
		},
		"steps" : [
			{"name" : "a", "exec" : ["true"]}, {
				"name" : "b",
				"exec" : ["true"],
				"timeout" : "7s",
				"retry" : {"limit" : 0}
			}
		]
	}));
	const struct flo__node *a = &plan->nodes[find(plan, "a")];
	const struct flo__node *b = &plan->nodes[find(plan, "b")];
	const struct flo__attrs *root = &plan->attrs[plan->nodes[0].attrs];

	(void)state;
	assert_non_null(plan->attrs[a->attrs].timeout.expr);
	assert_null(plan->attrs[b->attrs].timeout.expr);
	assert_int_equal(plan->attrs[b->attrs].timeout.fixed,
			 UINT64_C(7000000000));
	assert_int_equal(plan->leaves[a->spec].retry->limit.fixed, 2);
	assert_int_equal(plan->leaves[b->spec].retry->limit.fixed, 0);
	assert_int_equal(root->grace_ns, UINT64_C(3000000000));
	assert_int_equal(root->env_len, 1);
	assert_non_null(root->dir);
	plan->free(plan);
}

static void finally_sees_the_whole_body(void **state)
{
	struct flo__plan *plan = plan_of(Q({
		"name" : "p",
		"steps" : [
			{
				"name" : "b",
				"group" : [ {"name" : "x", "exec" : ["a"]} ],
				"finally" : {
					"timeout" : "9s",
					"steps" : [ {
						"name" : "y",
						"exec" : ["a"],
						"when" :
							"steps.x.status == 'failed'"
					} ]
				}
			},
			{"name" : "c", "exec" : ["a"]}
		],
		"finally" : [ {
			"name" : "z",
			"exec" : ["a"],
			"when" : "steps.c.status != steps.b.status"
		} ]
	}));
	const struct flo__node *b = &plan->nodes[find(plan, "b")];
	const struct flo__block *block = &plan->blocks[b->spec];

	(void)state;
	assert_int_equal(block->finally_timeout_ns, UINT64_C(9000000000));
	assert_true(plan->nodes[block->finally].is_finally);
	assert_string_equal(plan->nodes[block->finally].name, "finally");
	assert_int_equal(plan->nodes[block->finally].parent, find(plan, "b"));
	plan->free(plan);
}

/* Fail each allocation in turn; without a failure it must end in @end. */
static void fail_each_allocation(const char *text, flo_status end)
{
	flo_status st = FLO_NOMEM;

	for (long n = 1; st == FLO_NOMEM; n++) {
		struct flo__strbuf said = FLO__STRBUF_INIT;
		struct flo__plan *plan = NULL;

		flo__alloc_fail_at(n, 0);
		st = compile_n(text, strlen(text), &said, &plan);
		flo__alloc_fail_at(0, 0);
		assert_int_equal(st == FLO_OK, plan != NULL);
		if (plan != NULL)
			plan->free(plan);
		flo__strbuf_fini(&said);
		assert_true(n < 100000);
	}
	assert_int_equal(st, end);
}

static void out_of_memory_anywhere_is_an_error(void **state)
{
	(void)state;
	flo__json_guard_install();
	fail_each_allocation(example, FLO_OK);
}

static void out_of_memory_while_reporting_is_an_error(void **state)
{
	(void)state;
	flo__json_guard_install();
	fail_each_allocation(
		"{\"name\": \"p\", \"nmae\": 1, \"params\": {\"a\": {"
		"\"type\": \"integer\", \"default\": \"x\"}}, \"steps\": [{"
		"\"name\": \"g\", \"group\": [{\"name\": \"x\", \"sh\": "
		"\"${{ a }}\", \"needs\": [\"y\"]}, {\"name\": \"y\", "
		"\"exec\": [\"${{ steps.z + [1].map(q, 'a' }}\", \"${{ "
		"stirng(1) + params.b }}\"], \"needs\": [\"x\", "
		"\"xx\"]}]}]}",
		FLO_INVALID);
}

/* Compile and forget: whatever comes out, nothing may break. */
static void survives(const char *text, size_t len)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;
	flo_status st = compile_n(text, len, &said, &plan);

	assert_true(st == FLO_OK || st == FLO_INVALID);
	assert_int_equal(st == FLO_OK, plan != NULL);
	if (st == FLO_INVALID)
		assert_int_not_equal(said.len, 0);
	if (plan != NULL)
		plan->free(plan);
	flo__strbuf_fini(&said);
}

static void a_file_cut_anywhere_is_no_crash(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(example); len++) {
		/* A copy of exactly that size, so that ASan sees the end. */
		char *text = flo__malloc(len);

		assert_non_null(text);
		memcpy(text, example, len);
		survives(text, len);
		flo__free(text);
	}
}

static void a_changed_byte_is_no_crash(void **state)
{
	static const char bytes[] = "\"}{0\\\xff.";
	size_t len = sizeof(example) - 1;
	char *text = flo__strdup(example);

	(void)state;
	assert_non_null(text);
	for (size_t i = 0; i < len; i++) {
		for (size_t k = i % 2; k < sizeof(bytes) - 1; k += 2) {
			text[i] = bytes[k];
			survives(text, len);
		}
		text[i] = example[i];
	}
	flo__free(text);
}

static void a_matrix_is_a_foreach_over_a_product(void **state)
{
	struct flo__plan *plan = plan_of(Q({
		"name" : "p",
		"steps" : [ {
			"name" : "a",
			"matrix" : {
				"os" : [ "x", "y" ],
				"include" : [ {"os" : "z", "n" : 1} ],
				"exclude" : [ {"os" : "x"} ],
				"n" : "[1, 2]"
			},
			"limit" : 2,
			"exec" : [ "${{ item.os }}", "${{ item.n }}" ]
		} ]
	}));
	const struct flo__block *block = &plan->blocks[plan->nodes[1].spec];
	struct test_scope scope = {.plan = plan,
				   .item = json_value("{\"os\":\"x\"}")};

	(void)state;
	assert_int_equal(plan->nodes[1].kind, FLO__NODE_FOREACH);
	assert_null(block->items);
	assert_int_equal(block->matrix->axes_len, 2);
	assert_string_equal(block->matrix->axes[0].name, "os");
	assert_string_equal(block->matrix->axes[1].name, "n");
	assert_computes(block->matrix->axes[1].values, &scope, "[1,2]");
	assert_computes(block->matrix->exclude, &scope, "[{\"os\":\"x\"}]");
	assert_computes(block->matrix->include, &scope,
			"[{\"os\":\"z\",\"n\":1}]");
	assert_computes(plan->leaves[plan->nodes[2].spec].argv[0], &scope,
			"\"x\"");
	flo_value_unref(scope.item);
	plan->free(plan);
}

/* A matrix of @axes axes with @values values each. */
static char *matrix_of(int axes, int values)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, "{\"name\": \"p\", \"steps\": [{\"name\": "
			      "\"a\", \"sh\": \"true\", \"matrix\": {");
	for (int i = 0; i < axes; i++) {
		flo__strbuf_addf(&sb, "%s\"a%d\": [0", i > 0 ? "," : "", i);
		for (int k = 1; k < values; k++)
			flo__strbuf_addf(&sb, ",%d", k);
		flo__strbuf_adds(&sb, "]");
	}
	flo__strbuf_adds(&sb, "}}]}");
	return flo__strbuf_take(&sb);
}

static void a_product_of_more_than_a_million_is_refused(void **state)
{
	static const char want[] =
		"1:53: error: [too-large] `matrix` has more than 1000000 "
		"combinations\n";
	char *text = matrix_of(2, 1000);
	struct flo__plan *plan;

	(void)state;
	plan = plan_of(text);
	plan->free(plan);
	flo__free(text);
	text = matrix_of(2, 1001);
	assert_says(text, want);
	flo__free(text);
	/* 2 to the 70th: it does not wrap around. */
	text = matrix_of(70, 2);
	assert_says(text, want);
	flo__free(text);
}

/* A group of @n steps, each of which uses the one before; with @cycle the
 * first needs the second. */
static char *many_steps(int n, bool cycle)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_addf(&sb,
			 "{\"name\": \"p\", \"steps\": [{\"name\": \"g\", "
			 "\"group\": [\n{\"name\": \"s0\", \"needs\": [%s], "
			 "\"exec\": [\"x\"]}",
			 cycle ? "\"s1\"" : "");
	for (int i = 1; i < n; i++)
		flo__strbuf_addf(&sb,
				 ",\n{\"name\": \"s%d\", \"exec\": [\"x\", "
				 "\"${{ steps.s%d.output }}\"], \"needs\": "
				 "[\"s%d\"]}",
				 i, i - 1, i - 1);
	flo__strbuf_adds(&sb, "]}]}");
	return flo__strbuf_take(&sb);
}

static void a_hundred_thousand_steps_are_feasible(void **state)
{
	char *text = many_steps(100000, true);
	struct flo__plan *plan;

	(void)state;
	/* One cycle, and everything hangs on it: one problem. */
	assert_says(text, "2:26: error: [cycle] steps need each other in a "
			  "cycle: s0 -> s1 -> s0 | one of these needs "
			  "must go\n");
	flo__free(text);
	text = many_steps(100000, false);
	plan = plan_of(text);
	assert_int_equal(plan->nodes_len, 100002);
	plan->free(plan);
	flo__free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_becomes_a_plan),
		cmocka_unit_test(expressions_compute_in_their_scope),
		cmocka_unit_test(needs_become_edges_both_ways),
		cmocka_unit_test(a_foreach_splits_its_keys),
		cmocka_unit_test(a_matrix_is_a_foreach_over_a_product),
		cmocka_unit_test(a_product_of_more_than_a_million_is_refused),
		cmocka_unit_test(defaults_reach_every_leaf),
		cmocka_unit_test(finally_sees_the_whole_body),
		cmocka_unit_test(out_of_memory_anywhere_is_an_error),
		cmocka_unit_test(out_of_memory_while_reporting_is_an_error),
		cmocka_unit_test(a_file_cut_anywhere_is_no_crash),
		cmocka_unit_test(a_changed_byte_is_no_crash),
		cmocka_unit_test(a_hundred_thousand_steps_are_feasible),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
