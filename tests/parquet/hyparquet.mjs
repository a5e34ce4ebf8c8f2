// Read every case with hyparquet: usage: node hyparquet.mjs MODULES DIR
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { boundHolds, cases, expectStats, isText, Judge } from './expect.mjs'

const load = (path) => import(pathToFileURL(join(process.argv[2], 'node_modules', path)))
const { parquetMetadata, parquetReadObjects } = await load('hyparquet/src/index.js')
const { compressors } = await load('hyparquet-compressors/src/index.js')

const judge = new Judge('hyparquet')

// As they are: a Date has no microseconds.
const decoder = new TextDecoder('utf-8', { fatal: true })
const parsers = {
	timestampFromMilliseconds: (n) => n,
	timestampFromMicroseconds: (n) => n,
	timestampFromNanoseconds: (n) => n,
	dateFromDays: (n) => n,
	stringFromBytes: (bytes) => bytes && decoder.decode(bytes),
}

const schemas = {
	bool: { type: 'BOOLEAN' },
	int: { type: 'INT64' },
	double: { type: 'DOUBLE' },
	string: { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } },
	json: { type: 'BYTE_ARRAY', converted_type: 'JSON', logical_type: { type: 'JSON' } },
	time: {
		type: 'INT64', converted_type: 'TIMESTAMP_MICROS',
		logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
	},
}

function checkSchema(account, meta) {
	judge.equal(meta.schema.length, account.columns.length + 1, `${account.name}: columns`)
	judge.equal(meta.schema[0].num_children, account.columns.length, `${account.name}: root`)
	account.columns.forEach(([name, type], i) => {
		const where = `${account.name}: column ${i}`
		const is = meta.schema[i + 1], want = schemas[type]
		judge.equal(is.name, name, `${where}: name`)
		judge.equal(is.type, want.type, `${where}: type`)
		judge.equal(is.repetition_type, 'OPTIONAL', where)
		judge.equal(is.converted_type, want.converted_type, `${where}: converted type`)
		judge.equal(is.logical_type, want.logical_type, `${where}: logical type`)
	})
}

function checkMeta(account, meta, file) {
	const pairs = Object.fromEntries((meta.key_value_metadata ?? []).map((p) => [p.key, p.value]))
	judge.equal(pairs, account.meta, `${account.name}: metadata`)
	judge.equal(/^flowctl version \d/.test(meta.created_by), true, `${account.name}: created_by`)
	judge.equal(meta.num_rows, BigInt(account.rows.length), `${account.name}: rows`)
	if (account.groups !== null)
		judge.equal(meta.row_groups.length, account.groups, `${account.name}: groups`)
	checkOffsets(account, meta, file)
}

// Chunks lie one after the other, from the magic on to the footer.
function checkOffsets(account, meta, file) {
	let at = 4n
	for (const group of meta.row_groups) {
		let raw = 0n, stored = 0n
		for (const { meta_data: c } of group.columns) {
			const where = `${account.name}: ${c.path_in_schema[0]}`
			judge.equal(c.dictionary_page_offset ?? c.data_page_offset, at, `${where}: offset`)
			judge.equal(c.encodings.includes('RLE_DICTIONARY'), c.dictionary_page_offset !== undefined,
				`${where}: encodings`)
			if (c.dictionary_page_offset !== undefined)
				judge.equal(c.data_page_offset > c.dictionary_page_offset, true, `${where}: pages`)
			at += c.total_compressed_size
			raw += c.total_uncompressed_size
			stored += c.total_compressed_size
			judge.equal(c.num_values, group.num_rows, `${where}: values`)
		}
		judge.equal(group.total_byte_size, raw, `${account.name}: raw size`)
		judge.equal(group.total_compressed_size, stored, `${account.name}: stored size`)
	}
	const footer = new DataView(file).getUint32(file.byteLength - 8, true)
	judge.equal(at, BigInt(file.byteLength - 8 - footer), `${account.name}: end`)
}

function checkStats(account, meta) {
	let from = 0
	for (const group of meta.row_groups) {
		const to = from + Number(group.num_rows)
		account.columns.forEach(([name, type], i) => {
			const is = group.columns[i].meta_data.statistics
			const want = expectStats(account, i, from, to)
			const where = `${account.name}: ${name} of rows ${from} to ${to}`
			judge.equal(is.null_count, BigInt(want.nulls), `${where}: nulls`)
			if (isText(type)) {
				boundHolds(judge, is.min_value, want.min, false, `${where}: min`)
				boundHolds(judge, is.max_value, want.max, true, `${where}: max`)
				if (is.min_value !== undefined)
					judge.equal(is.is_min_value_exact, want.min.length <= 64, `${where}: exact`)
				if (is.max_value !== undefined)
					judge.equal(is.is_max_value_exact, want.max.length <= 64, `${where}: exact`)
			} else {
				judge.equal(is.min_value, want.min, `${where}: min`)
				judge.equal(is.max_value, want.max, `${where}: max`)
			}
		})
		from = to
	}
}

async function checkRows(account, file) {
	const rows = await parquetReadObjects({ file, compressors, parsers })
	judge.equal(rows.length, account.rows.length, `${account.name}: rows read`)
	rows.forEach((row, r) => {
		account.columns.forEach(([name, type], i) => {
			const where = `${account.name}: row ${r}, ${name}`
			const want = account.rows[r][i]
			// It parses JSON, so that null there and no value are one.
			if (type === 'json')
				judge.equal(JSON.stringify(row[name] ?? null), want ?? 'null', where)
			else
				judge.equal(row[name] ?? null, want, where)
		})
	})
}

for (const account of cases(process.argv[3])) {
	const bytes = readFileSync(account.path)
	const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength)
	try {
		const meta = parquetMetadata(file, { parsers })
		checkSchema(account, meta)
		checkMeta(account, meta, file)
		checkStats(account, meta)
		await checkRows(account, file)
	} catch (error) {
		judge.equal(error.stack, '', account.name)
	}
}
judge.end()
