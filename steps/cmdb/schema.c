#include "steps/cmdb/schema.h"

/*
 * Bodies lie apart, so that the tables which every diff reads from end to end
 * stay narrow. A body is written once, when it is staged; a history row and a
 * change row point at it. The id of a staged record, of its body and of its
 * history row is one number: see flo__cdb_first().
 *
 * Numbers of pulls and plans are never used twice (AUTOINCREMENT), as those
 * ids are made of them.
 */
static const char format_1[] =
	"CREATE TABLE source ("
	" id INTEGER PRIMARY KEY,"
	" name TEXT NOT NULL UNIQUE,"
	" version INTEGER NOT NULL DEFAULT 0,"
	" rows INTEGER NOT NULL DEFAULT 0,"
	" spec TEXT,"
	" pull INTEGER NOT NULL DEFAULT 0,"
	" applied_us INTEGER NOT NULL DEFAULT 0"
	") STRICT;"
	"CREATE TABLE pull ("
	" no INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id TEXT NOT NULL UNIQUE,"
	" source INTEGER NOT NULL REFERENCES source(id),"
	" run_id TEXT NOT NULL,"
	" trace_id TEXT NOT NULL,"
	" step TEXT NOT NULL,"
	" attempt INTEGER NOT NULL,"
	" started_us INTEGER NOT NULL,"
	" finished_us INTEGER,"
	" complete INTEGER NOT NULL DEFAULT 0,"
	" staged INTEGER NOT NULL DEFAULT 1,"
	" rows INTEGER NOT NULL DEFAULT 0,"
	" hits INTEGER NOT NULL DEFAULT 0,"
	" bytes INTEGER NOT NULL DEFAULT 0,"
	" spec TEXT"
	") STRICT;"
	"CREATE INDEX pull_source ON pull(source, no);"
	"CREATE TABLE body ("
	" id INTEGER PRIMARY KEY,"
	" body TEXT NOT NULL"
	") STRICT;"
	"CREATE TABLE staged ("
	" id INTEGER PRIMARY KEY,"
	" raw BLOB NOT NULL,"
	" key BLOB,"
	" digest BLOB,"
	" present INTEGER"
	") STRICT;"
	"CREATE TABLE hit ("
	" id INTEGER PRIMARY KEY,"
	" raws BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE state ("
	" source INTEGER NOT NULL,"
	" key BLOB NOT NULL,"
	" raw BLOB NOT NULL,"
	" digest BLOB NOT NULL,"
	" present INTEGER NOT NULL,"
	" body INTEGER NOT NULL,"
	" PRIMARY KEY (source, key)"
	") STRICT, WITHOUT ROWID;"
	"CREATE TABLE history ("
	" id INTEGER PRIMARY KEY,"
	" source INTEGER NOT NULL,"
	" key TEXT NOT NULL,"
	" valid_from INTEGER NOT NULL,"
	" valid_to INTEGER,"
	" from_plan INTEGER NOT NULL,"
	" to_plan INTEGER"
	") STRICT;"
	"CREATE INDEX history_key ON history(source, key, valid_from);"
	"CREATE TABLE plan ("
	" no INTEGER PRIMARY KEY AUTOINCREMENT,"
	" id TEXT NOT NULL UNIQUE,"
	" source INTEGER NOT NULL REFERENCES source(id),"
	" pull INTEGER NOT NULL,"
	" pull_id TEXT NOT NULL,"
	" run_id TEXT NOT NULL,"
	" trace_id TEXT NOT NULL,"
	" ts INTEGER NOT NULL,"
	" spec TEXT NOT NULL,"
	" rebase INTEGER NOT NULL,"
	" base INTEGER NOT NULL,"
	" held INTEGER NOT NULL,"
	" state TEXT NOT NULL"
	"  CHECK (state IN ('ready', 'blocked', 'applied')),"
	" guards TEXT NOT NULL DEFAULT '',"
	" reason TEXT NOT NULL DEFAULT '',"
	" rows INTEGER NOT NULL,"
	" dup_keys INTEGER NOT NULL,"
	" added INTEGER NOT NULL,"
	" changed INTEGER NOT NULL,"
	" removed INTEGER NOT NULL,"
	" same INTEGER NOT NULL,"
	" fields INTEGER NOT NULL,"
	" rejected INTEGER NOT NULL,"
	" raw_hits INTEGER NOT NULL,"
	" applied_us INTEGER"
	") STRICT;"
	"CREATE INDEX plan_pull ON plan(pull);"
	"CREATE TABLE change ("
	" id INTEGER PRIMARY KEY,"
	" op TEXT NOT NULL CHECK (op IN ('c', 'u', 'd')),"
	" key BLOB NOT NULL,"
	" key_text TEXT NOT NULL,"
	" fields TEXT NOT NULL,"
	" before INTEGER,"
	" after INTEGER,"
	" raw BLOB,"
	" digest BLOB,"
	" present INTEGER"
	") STRICT;"
	"CREATE TABLE export ("
	" path TEXT PRIMARY KEY,"
	" plan INTEGER NOT NULL,"
	" what TEXT NOT NULL,"
	" format TEXT NOT NULL,"
	" rows INTEGER NOT NULL,"
	" bytes INTEGER NOT NULL,"
	" exported_us INTEGER NOT NULL"
	") STRICT, WITHOUT ROWID;"
	"CREATE VIEW cmdb_current AS"
	" SELECT s.name AS source, h.key, h.valid_from, b.body"
	" FROM state t JOIN source s ON s.id = t.source"
	" JOIN history h ON h.id = t.body JOIN body b ON b.id = t.body;"
	"CREATE VIEW cmdb_history AS"
	" SELECT s.name AS source, h.key, h.valid_from, h.valid_to, b.body"
	" FROM history h JOIN source s ON s.id = h.source"
	" JOIN body b ON b.id = h.id;"
	"CREATE VIEW cmdb_change AS"
	" SELECT p.id AS plan, c.op, c.key_text AS key, s.name AS source,"
	"  p.pull_id, p.run_id, p.trace_id, p.ts, c.fields,"
	"  x.body AS before, y.body AS after"
	" FROM plan p JOIN source s ON s.id = p.source"
	" JOIN change c ON c.id BETWEEN p.no << 32 AND p.no << 32 | 4294967295"
	" LEFT JOIN body x ON x.id = c.before"
	" LEFT JOIN body y ON y.id = c.after;";

/*
 * Format 2: pulls that are not of everything, decisions about plans, records
 * that are missing but not removed yet, exports that were put together.
 *
 * `origin` is what a pull asked for; cursor, etag and modified are only good
 * for the same question. The source's are those of the last applied pull.
 */
static const char format_2[] =
	"ALTER TABLE source ADD COLUMN origin TEXT;"
	"ALTER TABLE source ADD COLUMN cursor TEXT;"
	"ALTER TABLE source ADD COLUMN etag TEXT;"
	"ALTER TABLE source ADD COLUMN modified TEXT;"
	/* full: all there is; changes: since the cursor; same: as applied */
	"ALTER TABLE pull ADD COLUMN kind TEXT NOT NULL DEFAULT 'full'"
	" CHECK (kind IN ('full', 'changes', 'same'));"
	/* the applied pull that it goes on from: pull.no; 0: none */
	"ALTER TABLE pull ADD COLUMN since INTEGER NOT NULL DEFAULT 0;"
	"ALTER TABLE pull ADD COLUMN origin TEXT;"
	"ALTER TABLE pull ADD COLUMN cursor TEXT;"
	"ALTER TABLE pull ADD COLUMN etag TEXT;"
	"ALTER TABLE pull ADD COLUMN modified TEXT;"
	"ALTER TABLE pull ADD COLUMN rejected INTEGER NOT NULL DEFAULT 0;"
	/* digest of how it read its records, mixed into their raw digests */
	"ALTER TABLE pull ADD COLUMN shape TEXT;"
	/* 1: the pull says that the record is no more */
	"ALTER TABLE staged ADD COLUMN gone INTEGER NOT NULL DEFAULT 0;"
	/* still to be the last applied pull (pull.no; 0: none); -1: any may be */
	"ALTER TABLE plan ADD COLUMN since INTEGER NOT NULL DEFAULT -1;"
	"ALTER TABLE plan ADD COLUMN decision TEXT"
	" CHECK (decision IN ('approved', 'rejected'));"
	"ALTER TABLE plan ADD COLUMN decided_us INTEGER;"
	"ALTER TABLE plan ADD COLUMN decided_by TEXT;"
	"ALTER TABLE plan ADD COLUMN note TEXT;"
	/* how often a record of the state was not in a pull, one by one */
	"CREATE TABLE miss ("
	" source INTEGER NOT NULL,"
	" key BLOB NOT NULL,"
	" times INTEGER NOT NULL,"
	" PRIMARY KEY (source, key)"
	") STRICT, WITHOUT ROWID;"
	/* what `miss` is to be for the source when the plan is applied */
	"CREATE TABLE plan_miss ("
	" id INTEGER PRIMARY KEY,"
	" key BLOB NOT NULL,"
	" times INTEGER NOT NULL"
	") STRICT;"
	"CREATE TABLE IF NOT EXISTS export_field ("
	" source INTEGER NOT NULL,"
	" name TEXT NOT NULL,"
	" place INTEGER NOT NULL,"
	" type TEXT NOT NULL,"
	" PRIMARY KEY (source, name)"
	") STRICT, WITHOUT ROWID;"
	/*
	 * records of a pull that the state holds in other bytes, in case that
	 * they are to be compared in another way: raw digests of the state's,
	 * and the records, a line each, packed. `id` is the first one's
	 */
	"CREATE TABLE same ("
	" id INTEGER PRIMARY KEY,"
	" raws BLOB NOT NULL,"
	" size INTEGER NOT NULL,"
	" bodies BLOB NOT NULL"
	") STRICT;"
	/* the file of a day that holds this file's rows now */
	"ALTER TABLE export ADD COLUMN compacted TEXT;";

/*
 * Format 3: the end of a version is a row of its own, so that a history row is
 * never written again. An apply appends to both; to write the end into the row
 * of the version, and to keep an index of all keys, cost a page of each for
 * nearly every record that changed, as these lie all over the source. What is
 * valid now is found by the key's digest, through the state. Staged records
 * have no rows of their own any more: see staged.h.
 */
static const char format_3[] =
	/* what waits is read again by its diff, under whatever spec */
	"ALTER TABLE staged RENAME TO staged_2;"
	"CREATE TABLE staged ("
	" id INTEGER PRIMARY KEY,"
	" records BLOB NOT NULL"
	") STRICT;"
	"INSERT INTO staged SELECT id, CAST(raw || zeroblob(34) ||"
	"  iif(gone, x'01', x'00') || x'00' AS BLOB) FROM staged_2 ORDER BY id;"
	"DROP TABLE staged_2;"
	"UPDATE pull SET spec = NULL WHERE staged;"
	"DROP VIEW cmdb_history;"
	"DROP INDEX history_key;"
	"CREATE TABLE ended ("
	" id INTEGER PRIMARY KEY,"
	" source INTEGER NOT NULL,"
	" key TEXT NOT NULL,"
	" valid_to INTEGER NOT NULL,"
	" to_plan INTEGER NOT NULL"
	") STRICT;"
	"INSERT INTO ended SELECT id, source, key, valid_to, to_plan"
	" FROM history WHERE valid_to IS NOT NULL ORDER BY id;"
	"CREATE INDEX ended_key ON ended(source, key);"
	"ALTER TABLE history DROP COLUMN valid_to;"
	"ALTER TABLE history DROP COLUMN to_plan;"
	"CREATE VIEW cmdb_history AS"
	" SELECT s.name AS source, h.key, h.valid_from, e.valid_to, b.body"
	" FROM history h JOIN source s ON s.id = h.source"
	" JOIN body b ON b.id = h.id LEFT JOIN ended e ON e.id = h.id;";

/*
 * Format 4: a pull notes what of the state it did not find, and not what it
 * found, as that is nearly all of it: so a diff need not read the state.
 */
static const char format_4[] =
	/* keys' digests, one after the other, of what a full pull with hits
	 * did not find in the state, or more than once */
	"CREATE TABLE unseen ("
	" id INTEGER PRIMARY KEY,"
	" keys BLOB NOT NULL"
	") STRICT;"
	"CREATE TABLE twice ("
	" id INTEGER PRIMARY KEY,"
	" keys BLOB NOT NULL"
	") STRICT;"
	/* the source's version that the pull was held against */
	"ALTER TABLE pull ADD COLUMN base INTEGER NOT NULL DEFAULT 0;"
	/* 1: some record of it lacks a part of its key, or is broken */
	"ALTER TABLE pull ADD COLUMN partial INTEGER NOT NULL DEFAULT 1;"
	/* what waits: the lists of digests are cut in halves until each is one */
	"CREATE TABLE found AS WITH RECURSIVE piece(id, same, raws) AS ("
	"  SELECT id, 0, raws FROM hit UNION ALL SELECT id, 1, raws FROM same"
	"  UNION ALL SELECT id, same, iif(half,"
	"    substr(raws, length(raws) / 32 * 16 + 1),"
	"    substr(raws, 1, length(raws) / 32 * 16))"
	"  FROM piece, (SELECT 0 AS half UNION ALL SELECT 1)"
	"  WHERE length(raws) > 16)"
	" SELECT id >> 32 AS pull, id, same, raws AS raw FROM piece"
	"  WHERE length(raws) = 16;"
	"CREATE INDEX found_raw ON found(raw, pull);"
	/* a diff of one that has a record twice would fail, and this one does */
	"UPDATE pull SET complete = 0 WHERE no IN"
	" (SELECT pull FROM found GROUP BY pull, raw HAVING count(*) > 1);"
	"UPDATE pull SET base = (SELECT version FROM source WHERE id = source)"
	" WHERE staged;"
	"INSERT INTO unseen SELECT p.no << 32,"
	"  CAST(group_concat(t.key, '') AS BLOB)"
	" FROM pull p JOIN state t ON t.source = p.source"
	" WHERE p.staged AND p.hits > 0 AND NOT EXISTS"
	"  (SELECT 1 FROM found f WHERE f.raw = t.raw AND f.pull = p.no)"
	" GROUP BY p.no;"
	/* the state's records by their keys, not by their raw digests */
	"ALTER TABLE same RENAME TO same_2;"
	"CREATE TABLE same ("
	" id INTEGER PRIMARY KEY,"
	" keys BLOB NOT NULL,"
	" size INTEGER NOT NULL,"
	" bodies BLOB NOT NULL"
	") STRICT;"
	"INSERT INTO same SELECT s.id, CAST(group_concat(t.key, '') AS BLOB),"
	"  s.size, s.bodies FROM same_2 s"
	" JOIN found f ON f.id = s.id AND f.same"
	" JOIN pull p ON p.no = f.pull"
	" JOIN state t ON t.source = p.source AND t.raw = f.raw GROUP BY s.id;"
	"DROP TABLE same_2;"
	"DROP TABLE hit;"
	"DROP TABLE found;";

const char *const flo__cdb_migrations[FLO__CDB_VERSION] = {
	format_1,
	format_2,
	format_3,
	format_4,
};
