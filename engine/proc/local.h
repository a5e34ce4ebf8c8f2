/* The executor of this machine: programs under minders (see local.c). */
#ifndef FLO_ENGINE_PROC_LOCAL_H
#define FLO_ENGINE_PROC_LOCAL_H

#include "engine/executor.h"

/*
 * @minder: path of the flo-minder program, NULL: $FLO_MINDER, else beside the
 * running program, else ../libexec/flowctl/flo-minder from it, else the
 * installed place. Minders are started when they are first needed and pooled.
 */
flo_status flo__local_new(const char *minder, flo_error *err,
			  struct flo__executor **ret_executor);

#endif
