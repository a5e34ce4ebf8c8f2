/* The executor of this machine: programs under minders (see local.c). */
#ifndef FLO_ENGINE_PROC_LOCAL_H
#define FLO_ENGINE_PROC_LOCAL_H

#include "engine/executor.h"

/*
 * @path: of the flo-minder program (copied), NULL: it is found as helpers are
 * (helper.h), by $FLO_MINDER. Minders are started when they are first needed and pooled.
 */
flo_status flo__local_new(const char *path, flo_error *err,
			  struct flo__executor **ret_executor);

#endif
