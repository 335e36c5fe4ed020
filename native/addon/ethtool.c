/*
 * Offload features of an interface (ethtool(8), option -k), by the kernel's own names. They are read
 * and changed as one bit mask whose meaning the kernel tells beside it (ETH_SS_FEATURES).
 */
#include "addon.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Linux 6.18 has 60; a kernel with more than these is not read at all. */
#define FEATURES_MAX 256
#define BLOCKS_MAX (FEATURES_MAX / 32)

struct features {
	int fd;
	struct ifreq request;
	uint32_t count;
	char names[FEATURES_MAX][ETH_GSTRING_LEN + 1];
};

static int ethtool(struct features *features, void *command)
{
	features->request.ifr_data = command;
	return ioctl(features->fd, SIOCETHTOOL, &features->request);
}

static int read_count(struct features *features)
{
	struct {
		struct ethtool_sset_info info;
		uint32_t count;
	} command = { .info = { .cmd = ETHTOOL_GSSET_INFO,
				.sset_mask = 1ULL << ETH_SS_FEATURES } };

	if (ethtool(features, &command) != 0)
		return -1;
	features->count = command.info.sset_mask ? command.count : 0;
	if (features->count <= FEATURES_MAX)
		return 0;
	errno = EOVERFLOW;
	return -1;
}

static int read_names(struct features *features)
{
	/* The kernel writes as many as there are, whatever is asked for. */
	struct ethtool_gstrings *strings =
		calloc(1, sizeof(*strings) + (size_t)FEATURES_MAX * ETH_GSTRING_LEN);
	int result;

	if (!strings)
		return -1;
	strings->cmd = ETHTOOL_GSTRINGS;
	strings->string_set = ETH_SS_FEATURES;
	strings->len = features->count;
	result = ethtool(features, strings);
	for (uint32_t i = 0; result == 0 && i < features->count; i++)
		memcpy(features->names[i], strings->data + i * ETH_GSTRING_LEN, ETH_GSTRING_LEN);
	free(strings);
	return result;
}

/* Opens the interface named by `name`; false with errno set, nothing left open. */
static bool open_features(napi_env env, napi_value name, struct features *features)
{
	size_t length;

	memset(features, 0, sizeof(*features));
	errno = EINVAL;
	if (napi_get_value_string_utf8(env, name, NULL, 0, &length) != napi_ok || length >= IFNAMSIZ)
		return false;
	napi_get_value_string_utf8(env, name, features->request.ifr_name, IFNAMSIZ, NULL);
	features->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (features->fd < 0)
		return false;
	if (read_count(features) != 0 || read_names(features) != 0) {
		int error = errno;

		close(features->fd);
		errno = error;
		return false;
	}
	return true;
}

static bool set_flag(napi_env env, napi_value object, const char *name, bool flag)
{
	napi_value value;

	return napi_get_boolean(env, flag, &value) == napi_ok &&
	       napi_set_named_property(env, object, name, value) == napi_ok;
}

/* ethtoolFeatures(name): { [feature]: { active, fixed } } */
static napi_value ethtool_features(napi_env env, napi_callback_info info)
{
	struct {
		struct ethtool_gfeatures head;
		struct ethtool_get_features_block blocks[BLOCKS_MAX];
	} command = { .head = { .cmd = ETHTOOL_GFEATURES, .size = BLOCKS_MAX } };
	struct features features;
	napi_value argv[1], result, entry;
	size_t argc = 1;
	int error = 0;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    !open_features(env, argv[0], &features))
		return throw_errno(env, errno, "Cannot read the features of an interface");
	if (ethtool(&features, &command) != 0)
		error = errno;
	close(features.fd);
	if (error)
		return throw_errno(env, error, "Cannot read the features of an interface");
	if (napi_create_object(env, &result) != napi_ok)
		return NULL;
	for (uint32_t i = 0; i < features.count && i / 32 < command.head.size; i++) {
		struct ethtool_get_features_block *block = &command.blocks[i / 32];
		uint32_t bit = 1u << (i % 32);

		if (features.names[i][0] == '\0')
			continue;
		if (napi_create_object(env, &entry) != napi_ok ||
		    !set_flag(env, entry, "active", block->active & bit) ||
		    !set_flag(env, entry, "fixed",
			      !(block->available & bit) || (block->never_changed & bit)) ||
		    napi_set_named_property(env, result, features.names[i], entry) != napi_ok)
			return NULL;
	}
	return result;
}

/* ethtoolSetFeature(name, feature, on): what the interface does not know of is no error. */
static napi_value ethtool_set_feature(napi_env env, napi_callback_info info)
{
	struct {
		struct ethtool_sfeatures head;
		struct ethtool_set_features_block blocks[BLOCKS_MAX];
	} command = { .head = { .cmd = ETHTOOL_SFEATURES } };
	char feature[ETH_GSTRING_LEN + 1];
	struct features features;
	napi_value argv[3];
	size_t argc = 3;
	int error = 0;
	bool on;

	if (napi_get_cb_info(env, info, &argc, argv, NULL, NULL) != napi_ok ||
	    napi_get_value_string_utf8(env, argv[1], feature, sizeof(feature), NULL) != napi_ok ||
	    napi_get_value_bool(env, argv[2], &on) != napi_ok)
		return throw_errno(env, EINVAL, "Cannot change a feature of an interface");
	if (!open_features(env, argv[0], &features))
		return throw_errno(env, errno, "Cannot change a feature of an interface");
	command.head.size = (features.count + 31) / 32;
	for (uint32_t i = 0; i < features.count; i++) {
		if (strcmp(features.names[i], feature) != 0)
			continue;
		command.blocks[i / 32].valid = 1u << (i % 32);
		command.blocks[i / 32].requested = on ? 1u << (i % 32) : 0;
		if (ethtool(&features, &command) < 0)
			error = errno;
		break;
	}
	close(features.fd);
	return error ? throw_errno(env, error, "Cannot change a feature of an interface") : NULL;
}

void register_ethtool(napi_env env, napi_value exports)
{
	export_function(env, exports, "ethtoolFeatures", ethtool_features);
	export_function(env, exports, "ethtoolSetFeature", ethtool_set_feature);
}
