# Compiles the npm package raw-socket in place, where its index.js looks for it.
#
# By hand and not by its install script: npm may be told not to run those, a machine's npm settings
# may name another Node's headers (nodedir), and node-gyp would fetch headers from the network.
# Part of the Makefile beside it.

MODULES := ../node_modules
RAW_SOCKET := $(MODULES)/raw-socket
RAW_SOCKET_NODE := $(RAW_SOCKET)/build/Release/raw.node
RAW_SOCKET_HEADERS := $(firstword $(wildcard $(MODULES)/node-linux-*/include/node))
# npm puts nan beside or below raw-socket, as it likes.
NAN := $(firstword $(wildcard $(RAW_SOCKET)/node_modules/nan $(MODULES)/nan))

# gnu++20 is what V8's headers of Node 24 ask for; -w as the sources and headers are not ours to mend.
RAW_SOCKET_CXXFLAGS := -std=gnu++20 -O2 -fPIC -fno-rtti -fvisibility=hidden -w \
	-DNODE_GYP_MODULE_NAME=raw -DBUILDING_NODE_EXTENSION

raw-socket: $(RAW_SOCKET_NODE)

$(RAW_SOCKET_NODE): raw-socket.mk $(wildcard $(RAW_SOCKET)/src/* $(NAN)/package.json) \
		$(wildcard $(RAW_SOCKET_HEADERS)/node_version.h)
	@test -f $(RAW_SOCKET)/src/raw.cc -a -n "$(RAW_SOCKET_HEADERS)" -a -n "$(NAN)" || { \
		echo "native: raw-socket, nan or node-linux-* is missing in node_modules; run npm ci first"; exit 1; }
	mkdir -p $(@D)
	c++ $(RAW_SOCKET_CXXFLAGS) -I$(RAW_SOCKET_HEADERS) -I$(NAN) -shared -o $@.partial $(RAW_SOCKET)/src/raw.cc
	mv $@.partial $@

raw-socket-clean:
	rm -rf $(RAW_SOCKET)/build

.PHONY: raw-socket raw-socket-clean
