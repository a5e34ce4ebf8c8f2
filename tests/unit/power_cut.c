/* What a disk may hold after a power cut: see power_disk.h. */
#include "power_disk_p.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SECTOR 512

struct file {
	const char *name; /* NULL: it has none */
	char *bytes;
	size_t size, cap;
};

struct cut {
	uint64_t state;	 /* of the generator */
	unsigned lose;	 /* of 8 unsynced sectors and calls */
	unsigned garble; /* of 8 that are not lost */
	struct file files[POWER_FILES_MAX];
};

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t draw(struct cut *cut)
{
	uint64_t z = cut->state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static bool chance(struct cut *cut, unsigned of_8)
{
	return draw(cut) % 8 < of_8;
}

static void choose(struct cut *cut, uint64_t seed, size_t at)
{
	static const unsigned lose[] = {1, 4, 7}, garble[] = {0, 1, 4};

	cut->state = seed * 1000003 + at;
	if (seed == POWER_LOSES_ALL) {
		cut->lose = 8;
	} else if (seed != POWER_KEEPS_ALL) {
		cut->lose = lose[draw(cut) % 3];
		cut->garble = garble[draw(cut) % 3];
	}
}

static void resize(struct file *file, size_t size)
{
	if (size > file->cap) {
		file->cap = 2 * size;
		file->bytes = power__must(realloc(file->bytes, file->cap));
	}
	if (size > file->size)
		memset(file->bytes + file->size, 0, size - file->size);
	file->size = size;
}

static void put(struct cut *cut, const struct power_op *op, bool settled)
{
	struct file *file = &cut->files[op->file];
	size_t at = (size_t)op->at, end = at + op->len;

	for (size_t next; at < end; at = next) {
		const char *from = op->bytes + (at - (size_t)op->at);

		next = (at / SECTOR + 1) * SECTOR;
		next = next < end ? next : end;
		if (!settled && chance(cut, cut->lose)) {
			if (cut->lose < 8 && file->size < next &&
			    chance(cut, 2))
				resize(file, next);
			continue;
		}
		if (file->size < next)
			resize(file, next);
		memcpy(file->bytes + at, from, next - at);
		if (!settled && chance(cut, cut->garble))
			for (size_t i = at; i < next; i++)
				file->bytes[i] = (char)draw(cut);
	}
}

static void name_file(struct cut *cut, int file, const char *name)
{
	for (int i = 0; i < power__disk.files_len; i++)
		if (cut->files[i].name != NULL &&
		    strcmp(cut->files[i].name, name) == 0)
			cut->files[i].name = NULL;
	cut->files[file].name = name;
}

static void apply(struct cut *cut, const struct power_op *op, bool settled)
{
	struct file *file = &cut->files[op->file];

	if (op->kind == WRITTEN) {
		put(cut, op, settled);
		return;
	}
	if (!settled && chance(cut, cut->lose))
		return;
	if (op->kind == MADE || op->kind == RENAMED)
		name_file(cut, op->file, op->name);
	else if (op->kind == REMOVED && file->name != NULL &&
		 strcmp(file->name, op->name) == 0)
		file->name = NULL;
	else if (op->kind == RESIZED)
		resize(file, (size_t)op->at);
}

static bool is_shared_memory(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, "-shm") == 0;
}

static void store_file(struct cut *cut, const struct file *file,
		       const char *path)
{
	FILE *stream = fopen(path, "wb");

	if (stream == NULL) {
		if (errno == ENOENT)
			return; /* its directory is gone */
		power__die("cannot make", path);
	}
	if (is_shared_memory(path))
		for (size_t i = 0; i < file->size; i++)
			file->bytes[i] = (char)draw(cut);
	if ((file->size > 0 &&
	     fwrite(file->bytes, 1, file->size, stream) != file->size) ||
	    fclose(stream) != 0)
		power__die("cannot write", path);
}

/* Directories have lower numbers than what is in them. */
static void store_all(struct cut *cut, const char *dir)
{
	for (int i = 1; i < power__disk.files_len; i++) {
		const struct file *file = &cut->files[i];
		char path[8192];

		if (file->name == NULL)
			continue;
		snprintf(path, sizeof(path), "%s/%s", dir, file->name);
		if (!power__disk.files[i].is_dir)
			store_file(cut, file, path);
		else if (mkdir(path, 0700) != 0 && errno != ENOENT)
			power__die("cannot make", path);
	}
}

void power_cut(size_t at, uint64_t seed, const char *dir)
{
	struct cut *cut = power__must(calloc(1, sizeof(*cut)));

	if (power__disk.on)
		power__die("still recording", dir);
	choose(cut, seed, at);
	for (size_t i = 0; i < power__disk.len && i <= at; i++) {
		const struct power_op *op = &power__disk.ops[i];

		if (op->kind != SYNCED)
			apply(cut, op, op->settled_at < at);
	}
	store_all(cut, dir);
	for (int i = 0; i < power__disk.files_len; i++)
		free(cut->files[i].bytes);
	free(cut);
}
