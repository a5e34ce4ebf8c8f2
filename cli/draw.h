/*
 * Where drawings go: standard output, or a file that is there as a whole or
 * not at all; through Graphviz for those who want a picture.
 */
#ifndef CLI_DRAW_H
#define CLI_DRAW_H

#include <stdio.h>

struct cli_draw {
	const char *path; /* NULL: standard output */
	char *temporary;  /* owned; NULL: written in place */
	FILE *file;
};

/* CLI_GO_ON, or the exit code after the error was printed. */
int cli_draw_open(const char *path, struct cli_draw *draw);

/* Finish what was written. As above, CLI_OK in place of CLI_GO_ON. */
int cli_draw_close(struct cli_draw *draw);

/* Throw away what was written. */
void cli_draw_abandon(struct cli_draw *draw);

/*
 * Let `dot -Tsvg` write into @draw what @write gives to it. CLI_GO_ON, or the
 * exit code after the error was printed.
 */
int cli_draw_svg(struct cli_draw *draw,
		 void (*write)(FILE *file, const void *arg), const void *arg);

#endif
