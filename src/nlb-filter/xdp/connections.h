/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* Which connections are open on this host. */
#ifndef MUSTER_NLB_CONNECTIONS
#define MUSTER_NLB_CONNECTIONS

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"
#include "maps.h"
#include "packet.h"

#define SECOND 1000000000ULL
/* As long as the kernel keeps connections that nobody says anything on, and those that are over. */
#define IDLE_NS (432000 * SECOND)
#define CLOSED_NS (120 * SECOND)

static __always_inline void connection_of(const struct packet *packet, struct connection *key)
{
	key->client = packet->client;
	key->server = packet->server;
	key->client_port = packet->client_port;
	key->server_port = packet->server_port;
}

/* The kernel's own table: what was open before this program came, or has been pushed out of the map. */
static __always_inline int has_socket(struct xdp_md *context, const struct packet *packet)
{
	struct bpf_sock_tuple tuple = {};
	struct bpf_sock *socket;
	int is_open;

	if (packet->is_six) {
		__builtin_memcpy(tuple.ipv6.saddr, packet->client.words, sizeof(tuple.ipv6.saddr));
		__builtin_memcpy(tuple.ipv6.daddr, packet->server.words, sizeof(tuple.ipv6.daddr));
		tuple.ipv6.sport = packet->client_port;
		tuple.ipv6.dport = packet->server_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv6), BPF_F_CURRENT_NETNS, 0);
	} else {
		tuple.ipv4.saddr = packet->client.words[3];
		tuple.ipv4.daddr = packet->server.words[3];
		tuple.ipv4.sport = packet->client_port;
		tuple.ipv4.dport = packet->server_port;
		socket = bpf_skc_lookup_tcp(context, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0);
	}
	if (!socket)
		return 0;
	is_open = socket->state != BPF_TCP_LISTEN;
	bpf_sk_release(socket);
	return is_open;
}

/* A packet of TCP that opens nothing: is its connection open here? */
static __always_inline int is_open(struct xdp_md *context, const struct packet *packet, __u32 part)
{
	struct connection key = {};
	struct connection_state *known, found = { .state = OPEN };
	__u64 *since, now = bpf_ktime_get_ns();
	int ends = packet->tcp_flags & (FIN | RST);

	connection_of(packet, &key);
	known = bpf_map_lookup_elem(&connections, &key);
	if (known && known->state == TAKEN_OVER)
		return 0;
	since = bpf_map_lookup_elem(&hot_since, &part);
	if (known && since && known->opened_ns >= *since && now - known->seen_ns < (known->state == CLOSING ? CLOSED_NS : IDLE_NS)) {
		known->seen_ns = now;
		if (ends)
			known->state = CLOSING;
		return 1;
	}
	if (!has_socket(context, packet))
		return 0;
	found.opened_ns = found.seen_ns = now;
	if (ends)
		found.state = CLOSING;
	bpf_map_update_elem(&connections, &key, &found, BPF_ANY);
	return 1;
}

static __always_inline void opens(const struct packet *packet)
{
	struct connection key = {};
	struct connection_state state = { .first_sequence = packet->sequence, .state = OPEN };

	state.opened_ns = state.seen_ns = bpf_ktime_get_ns();
	connection_of(packet, &key);
	bpf_map_update_elem(&connections, &key, &state, BPF_ANY);
}

/*
 * Another host answers this SYN, so what was open here under the same ports is over. Not so when it is the SYN of that
 * very connection, which came twice.
 */
static __always_inline void opens_elsewhere(const struct packet *packet)
{
	struct connection key = {};
	struct connection_state *known;

	connection_of(packet, &key);
	known = bpf_map_lookup_elem(&connections, &key);
	if (known && known->first_sequence != packet->sequence)
		known->state = TAKEN_OVER;
}

#endif
