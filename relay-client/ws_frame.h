// The frame around a message that a WebSocket client sends (RFC 6455 5.2), made in place.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { WS_KEY_BYTES = 4, WS_HEAD_BYTES_MAX = 2 + 8 + WS_KEY_BYTES };

// Masks size bytes at data and puts the head of one whole binary message right before them, where
// WS_HEAD_BYTES_MAX bytes are the caller's. The key has to be unpredictable (RFC 6455 10.3).
// Returns the size of the head.
size_t ws_frame_mask(void *data, size_t size, const unsigned char key[WS_KEY_BYTES]);
