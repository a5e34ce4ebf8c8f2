/* Records that nobody would send, made up from a seed. */
#ifndef TESTS_UNIT_CMDB_MADE_UP_H
#define TESTS_UNIT_CMDB_MADE_UP_H

#include "base/strbuf.h"

/*
 * Append the record of the seed @from to @sb, which is empty. It has escapes,
 * UTF-8, numbers and spaces of all kinds, and now and then what makes it no
 * JSON; where it is to be @broken, a byte is mostly changed, or it is cut off.
 *
 * Threads: one.
 */
void made_up_record(uint64_t from, bool broken, struct flo__strbuf *sb);

#endif
