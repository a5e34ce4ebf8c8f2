// What both readers share: the accounts that write_cases left, and the bounds
// that follow from them. Nothing here knows how Parquet is written.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

// Bytes of a text that its bounds may keep.
const BOUND_MAX = 64

export function cases(dir) {
	const names = readdirSync(dir)
		.filter((name) => name.endsWith('.parquet'))
		.map((name) => name.slice(0, -'.parquet'.length))
		.sort()
	if (names.length < 30)
		throw new Error(`only ${names.length} cases in ${dir}`)
	return names.map((name) => load(dir, name))
}

function load(dir, name) {
	const lines = readFileSync(join(dir, `${name}.json`), 'utf8').split('\n')
	lines.pop()
	const account = JSON.parse(lines[0])
	account.name = name
	account.path = join(dir, `${name}.parquet`)
	account.rows = lines.slice(1).map((line) => decode(account, line))
	return account
}

function decode(account, line) {
	return JSON.parse(line).map((value, i) => {
		const type = account.columns[i][1]
		if (value === null)
			return null
		if (type === 'int' || type === 'time')
			return BigInt(value)
		return type === 'double' ? double(value) : value
	})
}

function double(bits) {
	const view = new DataView(new ArrayBuffer(8))
	view.setBigUint64(0, BigInt(`0x${bits}`))
	return view.getFloat64(0)
}

// The failures of one case: compare, and say where it is unequal.
export class Judge {
	constructor(reader) {
		this.reader = reader
		this.checks = 0
		this.failures = 0
	}

	equal(is, want, where) {
		this.checks++
		if (same(is, want))
			return
		if (++this.failures <= 20)
			console.error(`${this.reader}: ${where}: ${show(is)}, want ${show(want)}`)
	}

	end() {
		console.log(`${this.reader}: ${this.checks} checks, ${this.failures} failures`)
		process.exitCode = this.failures > 0 || this.checks === 0 ? 1 : 0
	}
}

function show(value) {
	const text = typeof value === 'object' && value !== null
		? JSON.stringify(value, (_, v) => typeof v === 'bigint' ? `${v}n` : v)
		: `${typeof value} ${Object.is(value, -0) ? '-0' : String(value)}`
	return text.length > 200 ? `${text.slice(0, 200)}...` : text
}

// Object.is: NaN is NaN, and -0 is not 0.
function same(a, b) {
	if (typeof a === 'object' && typeof b === 'object' && a !== null && b !== null)
		return show(a) === show(b)
	return Object.is(a, b)
}

// What the statistics of rows [from, to) of a column must be. A bound that is
// not exact is checked by the caller with boundHolds().
export function expectStats(account, column, from, to) {
	const type = account.columns[column][1]
	let nulls = 0, nan = false, min, max
	for (let i = from; i < to; i++) {
		const value = account.rows[i][column]
		if (value === null) {
			nulls++
			continue
		}
		nan ||= Number.isNaN(value)
		const key = isText(type) ? Buffer.from(value) : value
		if (min === undefined || less(key, min))
			min = key
		if (max === undefined || less(max, key))
			max = key
	}
	if (nan)
		return { nulls }
	if (type === 'double' && min === 0)
		min = -0
	if (type === 'double' && max === 0)
		max = 0
	return { nulls, min, max }
}

export function isText(type) {
	return type === 'string' || type === 'json'
}

function less(a, b) {
	return Buffer.isBuffer(a) ? Buffer.compare(a, b) < 0 : a < b
}

// Bounds of texts: exact up to BOUND_MAX bytes; of longer ones a beginning, and
// something greater, or nothing where there is nothing greater.
export function boundHolds(judge, is, want, greatest, where) {
	if (want === undefined || want.length <= BOUND_MAX) {
		judge.equal(is, want === undefined ? undefined : want.toString(), where)
		return
	}
	if (is === undefined && greatest) {
		const top = '\u{10ffff}'
		judge.equal(want.toString().startsWith(top.repeat(BOUND_MAX / 4)), true, where)
		return
	}
	const bytes = Buffer.from(is)
	const order = Buffer.compare(bytes, want)
	judge.equal(bytes.length <= BOUND_MAX, true, `${where}: length`)
	judge.equal(greatest ? order > 0 : order < 0, true, `${where}: order`)
	// As near as it can be: all but the last character or two is kept.
	let same = 0
	while (same < bytes.length && bytes[same] === want[same])
		same++
	judge.equal(same >= BOUND_MAX - 8, true, `${where}: nearness`)
}
