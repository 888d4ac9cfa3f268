/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* What the program remembers, and what it is told; src/nlb-filter/xdp-front.ts is on the other side. */
#ifndef MUSTER_NLB_MAPS
#define MUSTER_NLB_MAPS

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "layout.h"

/* Two configurations, of which `active` tells the one in force: a change is one word. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 2);
	__type(key, __u32);
	__type(value, struct plan);
} plans SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} active SEC(".maps");

/* Virtual addresses of both configurations, and their places in the list. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * ADDRESSES_MAX);
	__type(key, struct address_key);
	__type(value, __u32);
} addresses SEC(".maps");

/* Ends of the slots on CLOCK_MONOTONIC; which one is pointed at, from 1, 0 = none; the life that loaded this. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LEASE_PLACES);
	__type(key, __u32);
	__type(value, __u64);
} nlb_lease SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 262144);
	__type(key, struct connection);
	__type(value, struct connection_state);
} connections SEC(".maps");

/*
 * Since when a part of a rule may have connections here; 0 = since the program came. What was opened before is over: it
 * was a while in which nobody looked at the SYNs of that part, and another host may have the same ports by now.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PARTS);
	__type(key, __u32);
	__type(value, __u64);
} hot_since SEC(".maps");

/* Clients who stay with this host, and until when. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 131072);
	__type(key, struct client_key);
	__type(value, __u64);
} staying SEC(".maps");

/* Clients whose bucket is this host's and who stay with another. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct client_key);
	__type(value, __u64);
} away SEC(".maps");

/* Datagrams in fragments whose first one was another host's, and until when that is known. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct fragment_key);
	__type(value, __u64);
} foreign_fragments SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, COUNTERS);
	__type(key, __u32);
	__type(value, __u64);
} taken SEC(".maps");

#endif
