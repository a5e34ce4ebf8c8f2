/* `schedule`: when a pipeline is run. Checked here, acted on by nobody yet. */
#include "dsl/compile_p.h"

#include <string.h>

static void check_schedule(struct flo__compiler *c, uint32_t node)
{
	uint32_t cron;
	uint64_t jitter;
	unsigned word;
	uint32_t at;

	if (!flo__compile_is(c, node, FLO__DOC_OBJECT, "a schedule"))
		return;
	flo__keys_only(c, node, &flo__grammar_schedule);
	cron = flo__doc_get(&c->doc, node, "cron");
	if (cron == FLO__DOC_NONE)
		flo__compile_error(c, MISSING_KEY, node, NULL,
				   "a schedule needs `cron`");
	else
		flo__compile_plain(c, cron, "`cron`");
	at = flo__doc_get(&c->doc, node, "timezone");
	if (at != FLO__DOC_NONE)
		flo__compile_plain(c, at, "`timezone`");
	flo__compile_word(c, flo__doc_get(&c->doc, node, "overlap"),
			  "`overlap`", &flo__shape_overlap, &word);
	flo__compile_word(c, flo__doc_get(&c->doc, node, "catch_up"),
			  "`catch_up`", &flo__shape_catch_up, &word);
	flo__compile_ns(c, flo__doc_get(&c->doc, node, "jitter"), "`jitter`",
			&jitter);
}

void flo__schedules_check(struct flo__compiler *c, uint32_t node)
{
	if (node == FLO__DOC_NONE)
		return;
	if (c->doc.nodes[node].type != FLO__DOC_ARRAY) {
		check_schedule(c, node);
		return;
	}
	for (uint32_t item = flo__doc_first(&c->doc, node);
	     item != FLO__DOC_NONE; item = c->doc.nodes[item].next)
		check_schedule(c, item);
}
