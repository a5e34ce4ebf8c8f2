#include "steps/http/curl.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

#define CURL_NAME "libcurl.so.4"
#define ZLIB_NAME "libz.so.1"

struct symbol {
	const char *name;
	size_t at; /* in struct flo__curl */
};

#define SYMBOL(prefix, field)                                                  \
	{                                                                      \
		prefix #field, offsetof(struct flo__curl, field)               \
	}

static const struct symbol curl_symbols[] = {
	SYMBOL("curl_", global_init),
	SYMBOL("curl_", easy_init),
	SYMBOL("curl_", easy_cleanup),
	SYMBOL("curl_", easy_reset),
	SYMBOL("curl_", easy_setopt),
	SYMBOL("curl_", easy_getinfo),
	SYMBOL("curl_", easy_strerror),
	SYMBOL("curl_", multi_init),
	SYMBOL("curl_", multi_cleanup),
	SYMBOL("curl_", multi_add_handle),
	SYMBOL("curl_", multi_perform),
	SYMBOL("curl_", multi_remove_handle),
	SYMBOL("curl_", multi_poll),
	SYMBOL("curl_", multi_info_read),
	SYMBOL("curl_", multi_strerror),
	SYMBOL("curl_", slist_append),
	SYMBOL("curl_", slist_free_all),
	SYMBOL("curl_", getdate),
	SYMBOL("curl_", url),
	SYMBOL("curl_", url_cleanup),
	SYMBOL("curl_", url_get),
	SYMBOL("curl_", url_set),
	SYMBOL("curl_", free),
};

static const struct symbol zlib_symbols[] = {
	SYMBOL("", inflateInit2_),
	SYMBOL("", inflate),
	SYMBOL("", inflateReset),
	SYMBOL("", inflateEnd),
};

/* The handle is not kept: nothing is ever unloaded. */
static flo_status load(const char *name, const char *package,
		       const struct symbol *symbols, size_t len, flo_error *err,
		       struct flo__curl *ret_curl)
{
	void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		return flo_error_set(err, FLO_NOTFOUND,
				     "HTTP needs the library %s, which cannot "
				     "be loaded (%s); Debian's package %s has "
				     "it",
				     name, dlerror(), package);
	for (size_t i = 0; i < len; i++) {
		void *symbol = dlsym(library, symbols[i].name);

		if (symbol == NULL)
			return flo_error_set(err, FLO_NOTFOUND,
					     "HTTP needs %s() of %s, which is "
					     "too old; install a newer package "
					     "%s",
					     symbols[i].name, name, package);
		memcpy((char *)ret_curl + symbols[i].at, &symbol,
		       sizeof(symbol));
	}
	return FLO_OK;
}

flo_status flo__curl_load(const char *curl_name, const char *zlib_name,
			  flo_error *err, struct flo__curl *ret_curl)
{
	flo_status st;

	st = load(curl_name, "libcurl4", curl_symbols,
		  sizeof(curl_symbols) / sizeof(curl_symbols[0]), err,
		  ret_curl);
	if (st == FLO_OK)
		st = load(zlib_name, "zlib1g", zlib_symbols,
			  sizeof(zlib_symbols) / sizeof(zlib_symbols[0]), err,
			  ret_curl);
	return st;
}

/* Written by load_once() alone, read after pthread_once() has returned. */
static struct flo__curl loaded;
static flo_error load_error = FLO_ERROR_INIT;
static flo_status load_status;

static void load_once(void)
{
	load_status =
		flo__curl_load(CURL_NAME, ZLIB_NAME, &load_error, &loaded);
	if (load_status == FLO_OK &&
	    loaded.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		load_status = flo_error_set(&load_error, FLO_FAILED,
					    "libcurl cannot start");
}

flo_status flo__curl_get(flo_error *err, const struct flo__curl **ret_curl)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load_once);
	if (load_status != FLO_OK)
		return flo_error_set(err, load_status, "%s", load_error.text);
	*ret_curl = &loaded;
	return FLO_OK;
}
