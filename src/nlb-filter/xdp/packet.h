/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What a frame says that the decision needs. */
#ifndef MUSTER_NLB_PACKET
#define MUSTER_NLB_PACKET

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"
#include "maps.h"

#define EXTENSIONS_MAX 6

/* <linux/icmp.h> and others draw in headers of the C library, which this target has not. */
#define ECHO_REQUEST 8
#define ECHO_REQUEST_6 128
#define ROUTER_ADVERTISEMENT 134
#define NEIGHBOUR_SOLICITATION 135
#define NEIGHBOUR_ADVERTISEMENT 136
#define FRAGMENT_OFFSET 0x1fff
#define MORE_FRAGMENTS 0x2000

struct packet {
	struct address client, server;
	__u32 identification;
	__u32 sequence;
	__u16 client_port, server_port;
	__u8 is_six, protocol, is_later, has_more;
	__u8 tcp_flags, icmp_type;
	__u8 address;
	__u8 unused;
};

enum tcp_flags { FIN = 1, SYN = 2, RST = 4, ACK = 16 };

/* @returns 0 = not for a virtual address, or for every host; 1 = to be decided; -1 = cannot be read */
static __always_inline int read_ports(void *at, void *end, struct packet *packet)
{
	if (packet->protocol == IPPROTO_TCP) {
		struct tcphdr *tcp = at;

		if ((void *)(tcp + 1) > end)
			return -1;
		packet->client_port = tcp->source;
		packet->server_port = tcp->dest;
		packet->sequence = tcp->seq;
		packet->tcp_flags = ((__u8 *)tcp)[13];
	} else if (packet->protocol == IPPROTO_UDP) {
		struct udphdr *udp = at;

		if ((void *)(udp + 1) > end)
			return -1;
		packet->client_port = udp->source;
		packet->server_port = udp->dest;
	} else if (packet->protocol == (packet->is_six ? IPPROTO_ICMPV6 : IPPROTO_ICMP)) {
		if (at + 1 > end)
			return -1;
		packet->icmp_type = *(__u8 *)at;
		if (packet->is_six && (packet->icmp_type == NEIGHBOUR_SOLICITATION || packet->icmp_type == NEIGHBOUR_ADVERTISEMENT || packet->icmp_type == ROUTER_ADVERTISEMENT))
			return 0;
	}
	return 1;
}

static __always_inline int find_address(__u32 slot, const struct plan *plan, struct packet *packet)
{
	const __u32 *first = plan->first.words, *server = packet->server.words;
	struct address_key key = { .slot = slot, .address = packet->server };
	__u32 *place;

	if (server[3] == first[3] && server[2] == first[2] && server[1] == first[1] && server[0] == first[0])
		return 1;
	place = bpf_map_lookup_elem(&addresses, &key);
	if (!place)
		return 0;
	packet->address = *place;
	return 1;
}

static __always_inline int read_four(void *at, void *end, __u32 slot, const struct plan *plan, struct packet *packet)
{
	struct iphdr *ip = at;
	__u16 fragment;

	if ((void *)(ip + 1) > end)
		return 0;
	packet->server.words[2] = packet->client.words[2] = bpf_htonl(0xffff);
	packet->server.words[3] = ip->daddr;
	if (!find_address(slot, plan, packet))
		return 0;
	if (ip->ihl < 5)
		return -1;
	packet->client.words[3] = ip->saddr;
	packet->protocol = ip->protocol;
	packet->identification = ip->id;
	fragment = bpf_ntohs(ip->frag_off);
	packet->is_later = (fragment & FRAGMENT_OFFSET) != 0;
	packet->has_more = (fragment & MORE_FRAGMENTS) != 0;
	return packet->is_later ? 1 : read_ports(at + ip->ihl * 4, end, packet);
}

struct extension {
	__u8 next, units;
	__u16 offset;
	__u32 identification;
};

static __always_inline int read_six(void *at, void *end, __u32 slot, const struct plan *plan, struct packet *packet)
{
	struct ipv6hdr *ip = at;

	if ((void *)(ip + 1) > end)
		return 0;
	packet->is_six = 1;
	__builtin_memcpy(&packet->server, &ip->daddr, sizeof(packet->server));
	if (!find_address(slot, plan, packet))
		return 0;
	__builtin_memcpy(&packet->client, &ip->saddr, sizeof(packet->client));
	packet->protocol = ip->nexthdr;
	at = ip + 1;
	for (int count = 0; count < EXTENSIONS_MAX; count++) {
		struct extension *extension = at;
		__u8 kind = packet->protocol;

		if (kind != IPPROTO_HOPOPTS && kind != IPPROTO_ROUTING && kind != IPPROTO_DSTOPTS && kind != IPPROTO_FRAGMENT && kind != IPPROTO_AH)
			return read_ports(at, end, packet);
		if ((void *)(extension + 1) > end)
			return -1;
		packet->protocol = extension->next;
		if (kind == IPPROTO_FRAGMENT) {
			__u16 offset = bpf_ntohs(extension->offset);

			packet->identification = extension->identification;
			packet->is_later = (offset & 0xfff8) != 0;
			packet->has_more = offset & 1;
			if (packet->is_later)
				return 1;
			at += 8;
		} else {
			at += kind == IPPROTO_AH ? (extension->units + 2) * 4 : (extension->units + 1) * 8;
		}
	}
	return -1;
}

#endif
