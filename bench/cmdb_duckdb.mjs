// What DuckDB takes: node cmdb_duckdb.mjs MODULES THREADS DB WHAT FILE
// WHAT: load (make the table of FILE), diff (FILE against the table), parquet
// (write the table to FILE). Prints seconds and the peak memory in MB.
import { createRequire } from 'node:module'

const [, , modules, threads, path, what, file] = process.argv
const require = createRequire(`${modules}/`)
const { DuckDBInstance } = require('@duckdb/node-api')
const instance = await DuckDBInstance.create(path, { threads })
const db = await instance.connect()

const types = {
	id: 'VARCHAR', hostname: 'VARCHAR', ip: 'VARCHAR', region: 'VARCHAR', tags: 'JSON',
	cpus: 'BIGINT', load: 'DOUBLE', active: 'BOOLEAN', seen_at: 'VARCHAR', note: 'VARCHAR',
}
const columns = Object.entries(types).map(([name, type]) => `${name}: '${type}'`).join(', ')
const records = `read_ndjson('${file}', columns = {${columns}})`
const differs = Object.keys(types).filter((name) => name !== 'id' && name !== 'seen_at')
	.map((name) => `n.${name} IS DISTINCT FROM o.${name}`).join(' OR ')

const work = {
	load: [`CREATE TABLE vm AS SELECT * FROM ${records}`, 'CHECKPOINT'],
	diff: [`SELECT count(*) FILTER (o.id IS NULL), count(*) FILTER (n.id IS NULL),
		count(*) FILTER (n.id IS NOT NULL AND o.id IS NOT NULL AND (${differs}))
		FROM ${records} n FULL OUTER JOIN vm o USING (id)`],
	parquet: [`COPY vm TO '${file}' (FORMAT parquet, COMPRESSION zstd)`],
}

const begin = process.hrtime.bigint()
let rows
for (const sql of work[what])
	rows = (await db.runAndReadAll(sql)).getRows()
const seconds = Number(process.hrtime.bigint() - begin) / 1e9
if (what === 'diff')
	console.error(`added, removed, changed: ${rows[0].join(' ')}`)
console.log(seconds, process.resourceUsage().maxRSS / 1024)
