/*
 * Write the records of an inventory, from a seed: what tools/bench cmdb pulls.
 *
 * Usage: cmdb_input COUNT VERSION [volatile] [array]
 *
 * Version 0 is what was; in version 1 one record in 100 has changed in two
 * fields, one in 200 is gone and as many are new. All others have the same
 * bytes, unless they are `volatile`: then every record says that it was seen
 * later. As an `array` they lie at "/data/items" of one document, else each
 * is a line. What a record is depends on its number only.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const regions[] = {"eu-west-1", "eu-north-1", "us-east-1",
				      "us-west-2", "ap-south-1", "sa-east-1"};
static const char *const teams[] = {"billing", "search",   "storage",
				    "network", "identity", "delivery",
				    "media"};
static const char *const words[] = {"rack",	 "moved",	"ticket",
				    "kernel",	 "patched",	"owner",
				    "spare",	 "disk",	"swap",
				    "checked",	 "gateway",	"pending",
				    "review",	 "northern",	"hall",
				    "caf\u00e9", "\\\"hot\\\"", "standby"};

#define OF(list, n) (list)[(n) % (sizeof(list) / sizeof((list)[0]))]

/* splitmix64: all that is random about a record, from its number. */
static uint64_t mix(uint64_t n)
{
	n += UINT64_C(0x9e3779b97f4a7c15);
	n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
	return n ^ n >> 31;
}

static void print_note(uint64_t r, FILE *out)
{
	fputs("\"note\":\"", out);
	for (int i = 0; i < 8; i++, r /= 18)
		fprintf(out, i == 0 ? "%s" : " %s", OF(words, r));
	fputc('"', out);
}

static void print_record(uint64_t n, bool changed, int seen, FILE *out)
{
	uint64_t r = mix(n);

	fprintf(out,
		"{\"id\":\"i-%010" PRIu64 "\",\"hostname\":\"%s-%" PRIu64
		".%s.example.net\",\"ip\":\"10.%u.%u.%u\",\"region\":\"%s\",",
		n, OF(teams, r), n, OF(regions, r >> 8),
		(unsigned)(n >> 16 & 255), (unsigned)(n >> 8 & 255),
		(unsigned)(n & 255), OF(regions, r >> 8));
	fprintf(out,
		"\"tags\":{\"team\":\"%s\",\"roles\":[\"r%u\",\"r%u\"]},"
		"\"cpus\":%u,\"load\":%u.%02u,\"active\":%s,",
		OF(teams, r >> 12), (unsigned)(r >> 16 & 31),
		(unsigned)(r >> 21 & 31),
		(changed ? 128u : 0u) + (1u << (r >> 26 & 5)),
		(unsigned)(r >> 29 & 15), (unsigned)(r >> 33) % 100,
		((r >> 40 & 3) == 0) != changed ? "false" : "true");
	fprintf(out, "\"seen_at\":\"2026-%02u-%02uT%02u:%02u:%02uZ\",",
		(unsigned)(r >> 42) % 6 + 1u + 6u * (unsigned)seen,
		(unsigned)(r >> 45) % 28 + 1, (unsigned)(r >> 50) % 24,
		(unsigned)(r >> 52) % 60, (unsigned)(r >> 54) % 60);
	print_note(mix(r), out);
	fputc('}', out);
}

static bool has(int argc, char **argv, const char *word)
{
	for (int i = 3; i < argc; i++)
		if (strcmp(argv[i], word) == 0)
			return true;
	return false;
}

int main(int argc, char **argv)
{
	uint64_t count = argc > 2 ? strtoull(argv[1], NULL, 10) : 0;
	int version = argc > 2 ? atoi(argv[2]) : 0;
	bool array = has(argc, argv, "array");
	bool seen = has(argc, argv, "volatile") && version == 1;
	const char *between = "";
	FILE *out = stdout;

	if (count == 0) {
		fputs("usage: cmdb_input COUNT VERSION [volatile] [array]\n",
		      stderr);
		return 2;
	}
	if (array)
		fputs("{\"status\":\"ok\",\"data\":{\"items\":[", out);
	for (uint64_t n = 0; n < count + count / 200; n++) {
		bool late = n >= count;

		if (version == 0 ? late : n % 200 == 3 && !late)
			continue;
		fputs(between, out);
		print_record(n, version == 1 && n % 100 == 7, seen, out);
		fputc(array ? ' ' : '\n', out);
		between = array ? "," : "";
	}
	if (array)
		fputs("],\"next\":null}}\n", out);
	return fflush(out) != 0 || ferror(out) ? 1 : 0;
}
