#include <flo/status.h>

static const struct {
	const char *name;
	const char *text;
} statuses[] = {
#define STATUS_X(code, words) [FLO_##code] = {#code, words},
	FLO_STATUS_MAP(STATUS_X)
#undef STATUS_X
};

#define STATUSES_LEN (sizeof(statuses) / sizeof(statuses[0]))

const char *flo_status_text(flo_status status)
{
	if ((unsigned)status >= STATUSES_LEN)
		return "unknown status";
	return statuses[status].text;
}

const char *flo_status_name(flo_status status)
{
	if ((unsigned)status >= STATUSES_LEN)
		return "UNKNOWN";
	return statuses[status].name;
}
