#include "steps/steps.h"

#include "steps/cmdb/cmdb.h"
#include "steps/core/core.h"

static const flo_step_type *const types[] = {
	&flo__core_noop,  &flo__core_sleep,  &flo__core_fail,
	&flo__core_set,	  &flo__cmdb_pull,   &flo__cmdb_diff,
	&flo__cmdb_apply, &flo__cmdb_export, &flo__cmdb_compact,
};

const flo_step_type *const *flo__builtin_steps(size_t *ret_len)
{
	*ret_len = sizeof(types) / sizeof(types[0]);
	return types;
}
