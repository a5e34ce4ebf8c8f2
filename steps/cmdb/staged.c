/*
 * Note: a record in a run.
 *
 *	0	16	raw digest
 *	16	16	digest of the key; zeros if it is not identified
 *	32	16	digest of the record; the same
 *	48	2	parts of the key that are there, little-endian; the same
 *	50	1	1: gone; 2: identified
 *	51	1	0
 */
#include "steps/cmdb/staged.h"

#include "base/contract.h"

#include <string.h>

enum {
	IS_GONE = 1,
	IS_IDENTIFIED = 2
};

void flo__staged_add(struct flo__strbuf *run, const struct flo__staged_row *row)
{
	const struct flo__identity *id = &row->identity;
	unsigned char bytes[FLO__STAGED_BYTES] = {0};

	memcpy(bytes, &row->raw, 16);
	if (row->identified) {
		memcpy(bytes + 16, &id->key, 16);
		memcpy(bytes + 32, &id->body, 16);
		bytes[48] = (unsigned char)id->present;
		bytes[49] = (unsigned char)(id->present >> 8);
		bytes[50] |= IS_IDENTIFIED;
	}
	if (row->gone)
		bytes[50] |= IS_GONE;
	flo__strbuf_add(run, bytes, sizeof(bytes));
}

static void read_row(const unsigned char *bytes, struct flo__staged_row *ret)
{
	memcpy(&ret->raw, bytes, 16);
	memcpy(&ret->identity.key, bytes + 16, 16);
	memcpy(&ret->identity.body, bytes + 32, 16);
	ret->identity.present = bytes[48] | (unsigned)bytes[49] << 8;
	ret->identified = (bytes[50] & IS_IDENTIFIED) != 0;
	ret->gone = (bytes[50] & IS_GONE) != 0;
}

flo_status flo__staged_write(struct flo__cdb *db, int64_t first,
			     struct flo__strbuf *run, flo_error *err)
{
	flo_status st = flo__strbuf_status(run);

	if (st != FLO_OK)
		return flo_error_set(err, st, "out of memory");
	if (run->len == 0)
		return FLO_OK;
	st = flo__cdb_run(db, err, "INSERT INTO staged VALUES(?1, ?2)", "ib",
			  first, run->data, run->len);
	flo__strbuf_reset(run);
	return st;
}

flo_status flo__staged_open(struct flo__staged *staged, struct flo__cdb *db,
			    int64_t no, bool backwards, flo_error *err)
{
	flo_status st;

	*staged = (struct flo__staged){.db = db, .backwards = backwards};
	TRY(flo__cdb_prepare(db,
			     backwards ? "SELECT id, records FROM staged"
					 " WHERE id BETWEEN ?1 AND ?2"
					 " ORDER BY id DESC"
				       : "SELECT id, records FROM staged"
					 " WHERE id BETWEEN ?1 AND ?2"
					 " ORDER BY id",
			     err, &staged->stmt));
	st = flo__cdb_bind(db, staged->stmt, err, "ii", flo__cdb_first(no),
			   flo__cdb_last(no));
out:
	return st;
}

static flo_status next_run(struct flo__staged *staged, flo_error *err,
			   bool *ret_more)
{
	size_t len;
	flo_status st;

	TRY(flo__cdb_step(staged->db, staged->stmt, err, ret_more));
	if (!*ret_more)
		return FLO_OK;
	staged->first = sqlite3_column_int64(staged->stmt, 0);
	staged->run = sqlite3_column_blob(staged->stmt, 1);
	len = (size_t)sqlite3_column_bytes(staged->stmt, 1);
	staged->len = len / FLO__STAGED_BYTES;
	staged->done = 0;
	if (len == 0 || len % FLO__STAGED_BYTES != 0)
		st = flo_error_set(
			err, FLO_CORRUPT,
			"%s: staged records are broken; pull again: " FLO__CDB_ANEW,
			staged->db->path);
out:
	return st;
}

flo_status flo__staged_next(struct flo__staged *staged, flo_error *err,
			    struct flo__staged_row *ret_row, bool *ret_more)
{
	size_t at;
	flo_status st = FLO_OK;

	*ret_more = true;
	if (staged->done == staged->len)
		st = next_run(staged, err, ret_more);
	if (st != FLO_OK || !*ret_more)
		return st;
	at = staged->backwards ? staged->len - 1 - staged->done : staged->done;
	staged->done++;
	read_row(staged->run + at * FLO__STAGED_BYTES, ret_row);
	ret_row->id = staged->first + (int64_t)at;
	return FLO_OK;
}

void flo__staged_close(struct flo__staged *staged)
{
	sqlite3_finalize(staged->stmt);
	staged->stmt = NULL;
}
