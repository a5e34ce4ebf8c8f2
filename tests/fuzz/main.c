/* Run the inputs that are kept: each file of the folders named. */
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* CPU time, not the clock's: the machine may be busy. */
#define SECONDS_MAX 60.0

static double cpu_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint8_t *read_file(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = NULL;
	long len = -1;

	if (file == NULL)
		return NULL;
	if (fseek(file, 0, SEEK_END) == 0)
		len = ftell(file);
	rewind(file);
	/* Exactly as long as the input, so that reading past it is seen. */
	data = len >= 0 ? malloc(len != 0 ? (size_t)len : 1) : NULL;
	if (data == NULL || fread(data, 1, (size_t)len, file) != (size_t)len) {
		free(data);
		data = NULL;
	}
	fclose(file);
	*ret_len = (size_t)len;
	return data;
}

static void run_file(const char *path)
{
	double begin = cpu_seconds();
	size_t len = 0;
	uint8_t *data = read_file(path, &len);

	FUZZ_CHECK(data != NULL, "%s cannot be read", path);
	/* So that a crash can be told from its last line. */
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, len);
	free(data);
	FUZZ_CHECK(cpu_seconds() - begin < SECONDS_MAX, "%s took %.1f s", path,
		   cpu_seconds() - begin);
}

static int is_input(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int run_folder(const char *folder)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_input, alphasort);

	for (int i = 0; i < n; i++) {
		char path[4096];

		snprintf(path, sizeof(path), "%s/%s", folder,
			 entries[i]->d_name);
		run_file(path);
		free(entries[i]);
	}
	free(entries);
	return n;
}

int main(int argc, char **argv)
{
	int ran = 0;

	for (int i = 1; i < argc; i++) {
		int n = run_folder(argv[i]);

		FUZZ_CHECK(n > 0, "%s holds no inputs", argv[i]);
		ran += n;
	}
	FUZZ_CHECK(ran > 0, "usage: %s FOLDER...", argv[0]);
	printf("%d inputs\n", ran);
	return 0;
}
