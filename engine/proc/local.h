/* The executor of this machine: programs under minders (see local.c). */
#ifndef FLO_ENGINE_PROC_LOCAL_H
#define FLO_ENGINE_PROC_LOCAL_H

#include "engine/executor.h"

/*
 * The path of the flo-minder program: @path, if it is not NULL, else where
 * helpers are (helper.h), $FLO_MINDER first. For flo__free(); NULL: out of
 * memory.
 */
char *flo__local_minder(const char *path);

/*
 * @path: as above; copied. Minders are started when they are first needed and pooled.
 */
flo_status flo__local_new(const char *path, flo_error *err,
			  struct flo__executor **ret_executor);

#endif
