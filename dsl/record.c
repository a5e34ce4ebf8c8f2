/* What the parser of record says of a document that was scanned. */
#include "dsl/doc_p.h"
#include "dsl/report_p.h"
#include "json/json_p.h"

/* A container of so many bytes is judged at once. What jansson makes of that
 * stays in a processor's cache. (A fuzzer's documents are small.) */
#ifdef FLO__FUZZ
#define PIECE_MAX 48
#else
#define PIECE_MAX 4096
#endif

/* The pieces of a document: its outermost containers that are small. */
struct pieces {
	struct flo__json_pieces head;
	const struct flo__doc *doc;
	uint32_t at; /* the next node */
};

static bool is_piece(const struct flo__doc_node *node)
{
	uint32_t len = node->end - node->begin;

	return (node->type == FLO__DOC_ARRAY ||
		node->type == FLO__DOC_OBJECT) &&
	       len >= 4 && len <= PIECE_MAX;
}

static bool next_piece(struct flo__json_pieces *head, size_t *ret_begin,
		       size_t *ret_end)
{
	struct pieces *p = (struct pieces *)head;
	const struct flo__doc_node *nodes = p->doc->nodes;
	uint32_t len = p->doc->nodes_len;
	uint32_t i = p->at;

	while (i < len && !is_piece(&nodes[i]))
		i++;
	p->at = i;
	if (i == len)
		return false;
	*ret_begin = nodes[i].begin;
	*ret_end = nodes[i].end;
	while (p->at < len && nodes[p->at].begin < nodes[i].end)
		p->at++;
	return true;
}

flo_status flo__doc_check_record(const struct flo__doc *doc,
				 struct flo__report *report)
{
	struct pieces pieces = {{next_piece}, doc, 0};
	flo_error err = FLO_ERROR_INIT;
	struct flo__span span = {0, 1};
	flo_status st;

	st = flo__json_check(doc->text, doc->len, JSON_DECODE_ANY, doc->depth,
			     doc->len > PIECE_MAX ? &pieces.head : NULL, &err);
	if (st == FLO_OK || st == FLO_NOMEM || report->errors != 0)
		return st == FLO_NOMEM ? FLO_NOMEM : FLO_OK;
	if (err.line > 0 && (uint32_t)err.line <= doc->lines_len)
		span.begin = doc->lines[err.line - 1];
	span.end = span.begin + 1;
	flo__report_error(report, FLO__CODE_SYNTAX, span, FLO__DOC_NONE, NULL,
			  "%s", err.text);
	return FLO_INVALID;
}
