/* Reading arguments from JavaScript, and making values for it. */
#include "bpf.h"

#include <stdio.h>

bool value_bytes(napi_env env, napi_value value, const char *what, size_t least, void **data,
		 size_t *size)
{
	napi_typedarray_type type;
	bool is_array = false;
	char message[160];

	if (napi_is_typedarray(env, value, &is_array) != napi_ok || !is_array ||
	    napi_get_typedarray_info(env, value, &type, size, data, NULL, NULL) != napi_ok ||
	    type != napi_uint8_array) {
		snprintf(message, sizeof(message), "%s must be a Uint8Array", what);
		napi_throw_type_error(env, "EINVAL", message);
		return false;
	}
	if (*size < least) {
		snprintf(message, sizeof(message), "%s has %zu bytes and must have %zu", what,
			 *size, least);
		napi_throw_range_error(env, "EINVAL", message);
		return false;
	}
	return true;
}

bool value_u32(napi_env env, napi_value value, const char *what, __u32 *number)
{
	char message[160];
	double given;

	if (napi_get_value_double(env, value, &given) != napi_ok || given < 0 ||
	    given > 0xffffffff || given != (double)(__u32)given) {
		snprintf(message, sizeof(message), "%s must be an integer from 0 to 4294967295",
			 what);
		napi_throw_type_error(env, "EINVAL", message);
		return false;
	}
	*number = (__u32)given;
	return true;
}

bool value_string(napi_env env, napi_value value, const char *what, char *text, size_t size)
{
	char message[160];
	size_t length;

	if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) {
		snprintf(message, sizeof(message), "%s must be a string", what);
		napi_throw_type_error(env, "EINVAL", message);
		return false;
	}
	if (length >= size) {
		snprintf(message, sizeof(message), "%s is longer than %zu bytes", what, size - 1);
		napi_throw_range_error(env, "ENAMETOOLONG", message);
		return false;
	}
	napi_get_value_string_utf8(env, value, text, size, &length);
	return true;
}

napi_value property(napi_env env, napi_value object, const char *name)
{
	napi_value value;

	if (napi_get_named_property(env, object, name, &value) != napi_ok)
		napi_get_undefined(env, &value);
	return value;
}

void set_number(napi_env env, napi_value object, const char *name, double number)
{
	napi_value value;

	napi_create_double(env, number, &value);
	napi_set_named_property(env, object, name, value);
}

napi_value new_bytes(napi_env env, size_t size, void **data)
{
	napi_value buffer, bytes;

	if (napi_create_arraybuffer(env, size, data, &buffer) != napi_ok ||
	    napi_create_typedarray(env, napi_uint8_array, size, buffer, 0, &bytes) != napi_ok)
		return NULL;
	return bytes;
}
