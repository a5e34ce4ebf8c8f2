// Read every case with DuckDB: usage: node duckdb.mjs MODULES DIR
import { createRequire } from 'node:module'
import { boundHolds, cases, expectStats, isText, Judge } from './expect.mjs'

const require = createRequire(`${process.argv[2]}/`)
const { DuckDBInstance } = require('@duckdb/node-api')

const judge = new Judge('duckdb')
const instance = await DuckDBInstance.create(':memory:', { threads: '1' })
const db = await instance.connect()
await db.run("SET TimeZone = 'UTC'")

const types = {
	bool: 'BOOLEAN', int: 'BIGINT', double: 'DOUBLE',
	string: 'VARCHAR', json: 'JSON', time: 'TIMESTAMP WITH TIME ZONE',
}

const quote = (text) => `'${text.replaceAll("'", "''")}'`

async function all(sql) {
	return (await db.runAndReadAll(sql)).getRowObjects()
}

async function checkSchema(account) {
	const is = await all(`DESCRIBE SELECT * FROM read_parquet(${quote(account.path)})`)
	judge.equal(is.map((c) => [c.column_name, c.column_type]),
		account.columns.map(([name, type]) => [name, types[type]]), `${account.name}: schema`)
}

async function checkMeta(account) {
	const path = quote(account.path)
	const pairs = await all(`SELECT decode(key) AS k, decode(value) AS v FROM parquet_kv_metadata(${path})`)
	judge.equal(Object.fromEntries(pairs.map((p) => [p.k, p.v])), account.meta, `${account.name}: metadata`)
	const [file] = await all(`SELECT * FROM parquet_file_metadata(${path})`)
	judge.equal(/^flowctl version \d/.test(file.created_by), true, `${account.name}: created_by`)
	judge.equal(file.num_rows, BigInt(account.rows.length), `${account.name}: rows`)
	if (account.groups !== null)
		judge.equal(file.num_row_groups, BigInt(account.groups), `${account.name}: groups`)
}

// DuckDB shows bounds as texts of their values.
function parse(type, text) {
	if (text === null)
		return undefined
	if (type === 'int')
		return BigInt(text)
	if (type === 'bool')
		return text === 'true'
	if (type === 'double')
		return text === 'inf' ? Infinity : text === '-inf' ? -Infinity : Number(text)
	return text
}

// It shows, and uses, no bounds that are infinite.
function shown(bound) {
	return bound === Infinity || bound === -Infinity ? undefined : bound
}

async function checkStats(account) {
	const chunks = await all('SELECT row_group_num_rows AS rows, row_group_id AS id, column_id,'
		+ ' stats_min_value AS min, stats_max_value AS max, stats_null_count AS nulls'
		+ ` FROM parquet_metadata(${quote(account.path)}) ORDER BY row_group_id, column_id`)
	let from = 0, id = 0n, rows = 0
	for (const chunk of chunks) {
		if (chunk.id !== id) {
			from += rows
			id = chunk.id
		}
		rows = Number(chunk.rows)
		const i = Number(chunk.column_id)
		const [name, type] = account.columns[i]
		const want = expectStats(account, i, from, from + rows)
		const where = `${account.name}: ${name} of rows ${from} to ${from + rows}`
		judge.equal(chunk.nulls, BigInt(want.nulls), `${where}: nulls`)
		if (type === 'time') {
			judge.equal(chunk.min !== null, want.min !== undefined, `${where}: min`)
		} else if (isText(type)) {
			boundHolds(judge, parse(type, chunk.min), want.min, false, `${where}: min`)
			boundHolds(judge, parse(type, chunk.max), want.max, true, `${where}: max`)
		} else {
			judge.equal(parse(type, chunk.min), shown(want.min), `${where}: min`)
			judge.equal(parse(type, chunk.max), shown(want.max), `${where}: max`)
		}
	}
}

async function checkRows(account) {
	const result = await db.stream(`SELECT * FROM read_parquet(${quote(account.path)})`)
	let r = 0
	for (;;) {
		const chunk = await result.fetchChunk()
		if (chunk === null || chunk.rowCount === 0)
			break
		for (const row of chunk.getRows()) {
			account.columns.forEach(([name, type], i) => {
				const value = type === 'time' && row[i] !== null ? row[i].micros : row[i]
				judge.equal(value, account.rows[r]?.[i], `${account.name}: row ${r}, ${name}`)
			})
			r++
		}
	}
	judge.equal(r, account.rows.length, `${account.name}: rows read`)
}

// Bounds are believed: what they rule out must not be there.
async function checkFilters(account) {
	for (const [i, [name, type]] of account.columns.entries()) {
		if (type === 'json' || type === 'time' || type === 'bool')
			continue
		const row = account.rows.find((r) => r[i] !== null)
		const value = row?.[i]
		if (value === undefined || (type === 'string' && value.includes('\0')))
			continue
		const want = account.rows.filter((r) => r[i] === value || (Number.isNaN(value) && Number.isNaN(r[i])))
		const literal = type === 'string' ? quote(value)
			: type === 'double' ? `'${String(value).replace('Infinity', 'inf')}'::DOUBLE` : `(${value})`
		const [is] = await all(`SELECT count(*) AS n FROM read_parquet(${quote(account.path)})`
			+ ` WHERE "${name.replaceAll('"', '""')}" = ${literal}`)
		judge.equal(is.n, BigInt(want.length), `${account.name}: ${name} found`)
	}
}

for (const account of cases(process.argv[3])) {
	try {
		await checkSchema(account)
		await checkMeta(account)
		await checkStats(account)
		await checkRows(account)
		await checkFilters(account)
	} catch (error) {
		judge.equal(error.stack, '', account.name)
	}
}
judge.end()
