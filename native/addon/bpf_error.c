/* Errors of libbpf and the kernel, as exceptions that carry the verifier's last words. */
#include "bpf.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LOG_SIZE 65536
#define LOG_TOLD 1500
#define ENOTSUPP 524 /* kernel-internal, but it gets out */

/* Written by libbpf's callback while an object is opened or loaded, on whatever thread that is. */
static _Thread_local char log_text[LOG_SIZE];
static _Thread_local size_t log_length;

static void log_append(const char *text, size_t length)
{
	if (length >= LOG_SIZE) {
		text += length - (LOG_SIZE - 1);
		length = LOG_SIZE - 1;
	}
	if (log_length + length >= LOG_SIZE) {
		size_t excess = log_length + length - (LOG_SIZE - 1);

		memmove(log_text, log_text + excess, log_length - excess);
		log_length -= excess;
	}
	memcpy(log_text + log_length, text, length);
	log_length += length;
	log_text[log_length] = '\0';
}

static int log_capture(enum libbpf_print_level level, const char *format, va_list arguments)
{
	static _Thread_local char line[LOG_SIZE];
	int length;

	if (level == LIBBPF_DEBUG)
		return 0;
	length = vsnprintf(line, sizeof(line), format, arguments);
	if (length > 0)
		log_append(line, (size_t)length < sizeof(line) ? (size_t)length : sizeof(line) - 1);
	return length;
}

void bpf_error_capture(void)
{
	libbpf_set_print(log_capture);
}

void bpf_error_forget(void)
{
	log_length = 0;
	log_text[0] = '\0';
}

char *bpf_error_take(void)
{
	char *text = log_length > 0 ? strdup(log_text) : NULL;

	bpf_error_forget();
	return text;
}

void bpf_error_give(const char *text)
{
	bpf_error_forget();
	if (text)
		log_append(text, strlen(text));
}

napi_value bpf_error_throw(napi_env env, int error, const char *format, ...)
{
	char message[512 + LOG_TOLD];
	va_list arguments;
	const char *code;
	size_t length;

	error = error < 0 ? -error : error;
	if (error == ENOTSUPP)
		error = EOPNOTSUPP;
	code = strerrorname_np(error);
	va_start(arguments, format);
	vsnprintf(message, 400, format, arguments);
	va_end(arguments);
	length = strlen(message);
	length += snprintf(message + length, 100, ": %s", strerror(error));
	if (log_length > 0) {
		size_t from = log_length > LOG_TOLD ? log_length - LOG_TOLD : 0;

		snprintf(message + length, sizeof(message) - length, "\n%s", log_text + from);
	}
	bpf_error_forget();
	napi_throw_error(env, code ? code : "EUNKNOWN", message);
	return NULL;
}

napi_value bpf_error_throw_abi(napi_env env, const char *format, ...)
{
	char message[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(message, sizeof(message), format, arguments);
	va_end(arguments);
	bpf_error_forget();
	napi_throw_error(env, "EABI", message);
	return NULL;
}
