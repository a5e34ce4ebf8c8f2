// What cmdb.export wrote as Parquet must be what it wrote as NDJSON: usage:
// node export.mjs MODULES OUT
import { createRequire } from 'node:module'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Judge } from './expect.mjs'

const require = createRequire(`${process.argv[2]}/`)
const { DuckDBInstance } = require('@duckdb/node-api')

const judge = new Judge('export')
const db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect()

function files(dir) {
	return readdirSync(dir, { recursive: true })
		.filter((path) => path.endsWith('.parquet'))
		.map((path) => join(dir, path.slice(0, -'.parquet'.length)))
}

const lines = (path) => readFileSync(`${path}.ndjson`, 'utf8').split('\n').slice(0, -1)
	.map((line) => JSON.parse(line))

async function read(path) {
	const reader = await db.runAndReadAll(`SELECT * FROM read_parquet('${path}.parquet', hive_partitioning = false)`)
	const types = Object.fromEntries(reader.columnNames().map((name, i) => [name, `${reader.columnType(i).alias ?? reader.columnType(i)}`]))
	return { rows: reader.getRowObjects(), types }
}

// A cell as the value that JSON has for it. Where a field was text and something
// else, which the script sees to, the column has JSON without saying so.
function value(cell, type, name, want) {
	if (cell === null || cell === undefined)
		return null
	if (/mixed$|turned$/.test(name) && type === 'VARCHAR' && cell !== want)
		return JSON.parse(cell)
	return type === 'JSON' ? JSON.parse(cell) : typeof cell === 'bigint' ? Number(cell) : cell
}

const micros = (time) => BigInt(Date.parse(time.slice(0, 19) + 'Z')) * 1000n
	+ BigInt((time.match(/\.(\d+)/)?.[1] ?? '0').padEnd(6, '0'))

function checkRecord(row, types, prefix, record, where) {
	for (const name of Object.keys(types)) {
		if (!name.startsWith(prefix))
			continue
		const want = record?.[name.slice(prefix.length)] ?? null
		judge.equal(value(row[name], types[name], name, want), want, `${where}: ${name}`)
	}
	for (const [name, want] of Object.entries(record ?? {}))
		if (want !== null)
			judge.equal(`${prefix}${name}` in types, true, `${where}: ${name} is there`)
}

function checkChange(row, types, want, where) {
	judge.equal(row._op, want.op, `${where}: op`)
	judge.equal(JSON.parse(row._key), want.key, `${where}: key`)
	judge.equal(JSON.parse(row._fields), want.fields, `${where}: fields`)
	checkRecord(row, types, 'old_', want.before, where)
	checkRecord(row, types, 'new_', want.after, where)
}

function checkSnapshot(row, types, want, where) {
	judge.equal(JSON.parse(row._key), want.key, `${where}: key`)
	judge.equal(row._valid_from.micros, micros(want.valid_from), `${where}: valid from`)
	const fields = Object.fromEntries(Object.entries(types).filter(([name]) => !name.startsWith('_')))
	checkRecord(row, fields, '', want.record, where)
}

let changes = 0
for (const path of files(process.argv[3])) {
	const want = lines(path)
	const { rows, types } = await read(path)
	// Lines of a snapshot are in the order of their keys, rows in that of the history.
	if (!path.includes('/changes/')) {
		const bytes = (text) => Buffer.from(text)
		rows.sort((a, b) => Buffer.compare(bytes(a._key), bytes(b._key)))
		for (let i = 1; i < want.length; i++)
			judge.equal(Buffer.compare(bytes(JSON.stringify(want[i - 1].key)),
				bytes(JSON.stringify(want[i].key))) < 0, true, `${path}: line ${i} is in order`)
	}
	judge.equal(rows.length, want.length, `${path}: rows`)
	changes += path.includes('/changes/') ? rows.length : 0
	judge.equal(types._ts, 'TIMESTAMP WITH TIME ZONE', `${path}: type of _ts`)
	judge.equal(types._key, 'JSON', `${path}: type of _key`)
	rows.forEach((row, i) => {
		const where = `${path}: row ${i}`
		judge.equal(row._ts.micros, micros(want[i].ts), `${where}: ts`)
		for (const name of ['pull_id', 'run_id', 'trace_id'])
			judge.equal(row[`_${name}`], want[i][name], `${where}: ${name}`)
		if (path.includes('/changes/'))
			checkChange(row, types, want[i], where)
		else
			checkSnapshot(row, types, want[i], where)
	})
}

// The files of all pulls are one table, whatever types their fields had.
const table = await db.runAndReadAll(`SELECT * FROM read_parquet('${process.argv[3]}/*/changes/*/*.parquet', union_by_name = true)`)
judge.equal(table.getRowObjects().length, changes, 'the table of all files: rows')
judge.end()
