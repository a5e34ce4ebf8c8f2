/*
 * A run's queue of events between append() and the disk: one buffer, one
 * frame an event, so that a step costs no allocation once the buffer has
 * grown. A frame is, without padding:
 *
 *   struct frame | path NUL | chain prefix | body NUL
 *
 * The chain prefix stands in front of the body so that one call hashes both.
 */
#include "storage/store_p.h"

#include "base/contract.h"

#include <string.h>

#define NO_PATH UINT32_MAX

struct frame {
	uint64_t seq;
	int64_t ts_us;
	uint32_t attempt;
	uint32_t path_len; /* NO_PATH: none, and then no NUL either */
	uint32_t body_len;
	uint8_t kind;
	uint8_t state;
	uint8_t hash[FLO__HASH_SIZE];
};

/* The state that a run or step is in once @event has happened. */
static enum flo__state state_after(const struct flo__event *event)
{
	switch (event->kind) {
	case FLO__EVENT_RUN_QUEUED:
		return FLO__STATE_QUEUED;
	case FLO__EVENT_RUN_FINISHED:
	case FLO__EVENT_STEP_FINISHED:
	case FLO__EVENT_STEP_REUSED:
		return event->status;
	case FLO__EVENT_STEP_RETRYING:
		return FLO__STATE_RETRYING;
	case FLO__EVENT_STEP_SKIPPED:
		return FLO__STATE_SKIPPED;
	case FLO__EVENT_STEP_LOST:
		return FLO__STATE_INTERRUPTED;
	default:
		return FLO__STATE_RUNNING;
	}
}

static flo_status encode(struct flo__strbuf *sb,
			 const struct flo__run_record *record,
			 const struct flo__event *event, struct frame *frame,
			 size_t *ret_prefix)
{
	static const char prefix[FLO__CHAIN_PREFIX];
	size_t body;

	flo__strbuf_add(sb, frame, sizeof(*frame));
	if (event->path != NULL)
		flo__strbuf_add(sb, event->path, frame->path_len + 1);
	*ret_prefix = sb->len;
	flo__strbuf_add(sb, prefix, sizeof(prefix));
	body = sb->len;
	flo__event_json(event, record->id, record->trace_id, sb);
	if (sb->failed)
		return FLO_NOMEM;
	if (sb->len - body > FLO__EVENT_BYTES_MAX)
		return FLO_LIMIT;
	frame->body_len = (uint32_t)(sb->len - body);
	flo__strbuf_addc(sb, '\0');
	return flo__strbuf_status(sb);
}

flo_status flo__queue_put(struct flo__event_queue *queue,
			  const struct flo__run_record *record,
			  const struct flo__event *event,
			  uint8_t hash[FLO__HASH_SIZE])
{
	size_t begin = queue->bytes.len, prefix = 0;
	struct frame frame = {
		.seq = event->seq,
		.ts_us = event->ts_us,
		.attempt = event->attempt,
		.path_len = NO_PATH,
		.kind = (uint8_t)event->kind,
		.state = (uint8_t)state_after(event),
	};
	size_t path_len = event->path != NULL ? strlen(event->path) : 0;
	flo_status st;

	REQUIRE(event->seq == queue->last + 1 || queue->count == 0);
	if (path_len > FLO__EVENT_BYTES_MAX)
		return FLO_LIMIT;
	if (event->path != NULL)
		frame.path_len = (uint32_t)path_len;
	st = encode(&queue->bytes, record, event, &frame, &prefix);
	if (st != FLO_OK) {
		flo__strbuf_cut(&queue->bytes, begin);
		queue->bytes.failed = false;
		return st;
	}
	flo__chain_next((uint8_t *)queue->bytes.data + prefix, frame.body_len,
			event->seq, hash);
	memcpy(frame.hash, hash, FLO__HASH_SIZE);
	memcpy(queue->bytes.data + begin, &frame, sizeof(frame));
	queue->count++;
	queue->last = event->seq;
	return FLO_OK;
}

bool flo__queue_next(const struct flo__event_queue *queue, size_t *at,
		     struct flo__queued_event *ret_event)
{
	const char *data = queue->bytes.data;
	struct frame frame;
	size_t pos = *at;

	if (pos == queue->bytes.len)
		return false;
	memcpy(&frame, data + pos, sizeof(frame));
	*ret_event = (struct flo__queued_event){
		.seq = frame.seq,
		.ts_us = frame.ts_us,
		.attempt = frame.attempt,
		.kind = (enum flo__event_kind)frame.kind,
		.state = (enum flo__state)frame.state,
		.body_len = frame.body_len,
		.hash = (const uint8_t *)data + pos +
			offsetof(struct frame, hash),
	};
	pos += sizeof(frame);
	if (frame.path_len != NO_PATH) {
		ret_event->path = data + pos;
		ret_event->path_len = frame.path_len;
		pos += frame.path_len + 1;
	}
	pos += FLO__CHAIN_PREFIX;
	ret_event->body = data + pos;
	pos += frame.body_len + 1;
	INSIST(pos <= queue->bytes.len && data[pos - 1] == '\0');
	*at = pos;
	return true;
}

void flo__queue_reset(struct flo__event_queue *queue)
{
	/* what one large output made of it is not kept */
	if (queue->bytes.cap > 2 * FLO__QUEUE_BYTES_MAX)
		flo__strbuf_fini(&queue->bytes);
	else
		flo__strbuf_reset(&queue->bytes);
	queue->count = 0;
	queue->last = 0;
}
