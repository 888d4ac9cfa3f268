/*
 * The map of load balancing (docs/nlb-protocol.md, rules 2 to 6; the names of the steps are theirs).
 *
 * Three hosts adopt maps, let go and take. Host 0 has a kernel lease, which the others keep open by their echoes: nobody
 * may serve what passes on host 0 by their leave. Map 1 is in force at the start, with all of them or FIRST_SET. All later maps are
 * there from the start, with any members, owners and predecessor: each of their members may adopt one at any time, in
 * any order that rises, or never. That is every partition, healing and loss: who has crashed, or hears nobody, takes no
 * steps, and its kernel goes on. Time passes between any two steps.
 *
 * Bounds: 3 hosts, BUCKETS parts (one or two), maps 1 to MAPS, one new life of host RESTARTER (3 = none), LEAVES times
 * that host 0 gives up its map, L = LENGTH steps of time. FIRST is the owner of bucket 0 in map 1. A map after one with
 * the new life does not name the old one. SECOND_SET and THIRD_SET fix the members of maps 2 and 3, where all would be too many.
 *
 * Abstracted:
 * - Hosts are alike, so one lease is enough: what host 0 takes of others is the same as what they take of it. Whether the
 *   leases of hosts 1 and 2 are open is not looked at: they serve what they hold, and take without waiting for echoes and
 *   holds that are about each other, which is earlier than they could.
 * - Clocks tick together and L = H. What H is longer than L by pays for the clocks' rates and the kernel's granularity.
 * - Messages are facts that may be noticed at any later time, by each at its own, or never.
 * - Rule 2's "all see the same set" is left out: it is why nobody is dark for long, and only takes steps away. So are
 *   proposing and fetching, which choose among the maps that are here anyway, and rules 7 and 8.
 * - Host 0 has one heartbeat that not all have echoed: the echo of an older one would open a lease that ends sooner.
 * - Owners are any members, not what weights say.
 *
 * Each BUG_ leaves one sentence of the protocol out; the checker must find each.
 */
#ifndef MAPS
#define MAPS 3
#endif
#ifndef BUCKETS
#define BUCKETS 1
#endif
#ifndef LENGTH
#define LENGTH 1
#endif
#ifndef RESTARTER
#define RESTARTER 3
#endif
#ifndef LEAVES
#define LEAVES 0
#endif
#ifndef FIRST
#define FIRST 0
#endif
#ifndef FIRST_SET
#define FIRST_SET 7
#endif

#define HOSTS 3
#define ALL 7
#define has(set, host) (((set) >> (host)) & 1)
#define maximum(a, b) ((a) > (b) -> (a) : (b))

/* Maps: who is in, which buckets each host is given, what it goes on from; whether a host that restarts is in by its new life. */
byte members[MAPS + 1], before[MAPS + 1];
byte given[(MAPS + 1) * HOSTS];
bit namesNewLife[MAPS + 1];
/* Facts: who has said in this map that it has released, and what was told there to be left of holds for host 0. */
byte released[MAPS + 1], told[MAPS + 1];

/* Threads. */
byte map[HOSTS], floor[HOSTS], keeps[HOSTS], doing[HOSTS];
bit isReleased[HOSTS], isTaken[HOSTS];
/* What is left of H since the last echo to host 0. */
byte hold[HOSTS];
byte listening;
bit isNewLife, hasHeardNewLife[HOSTS];
/* Who has not heard yet that host 0 has let everything go. */
byte unheardEmpty, leaves;

/* Kernels. */
byte held[HOSTS];

/* Host 0: its newest heartbeat, who has echoed it, and who has echoed any of its present map. Its lease. */
byte askedIn, echoes, echoedEver;
byte armed, open, gateMembers;

/* What a thread is in the middle of. */
#define IDLE 0
#define LET_GO 1
#define SAY_RELEASED 2
#define SEND 3
#define TAKE 4

#define passes (open > 0 -> held[0] : 0)
#define givenBy(m, i) given[(m) * HOSTS + (i)]

/* Rule 2: it is in it, by this life, and the counter is above all it ever adopted. */
#ifdef BUG_ADOPTS_AN_OLDER_MAP
#define isAbove(i, m) (map[i] != (m))
#else
#define isAbove(i, m) (floor[i] < (m))
#endif
#define knowsLives(i, m) (!has(members[m], RESTARTER) || namesNewLife[m] == ((i) == RESTARTER -> isNewLife : hasHeardNewLife[i]))
#define mayAdopt(i, m) (doing[i] == IDLE && ((i) != RESTARTER || listening == 0) && isAbove(i, m) && has(members[m], i) && knowsLives(i, m))

/* A promise: from now on no echo in another map. To adopt counts as an echo to all members. */
inline adopt(i, m) {
  keeps[i] = (map[i] != 0 && before[m] == map[i] -> held[i] & givenBy(m, i) : 0);
  map[i] = m; floor[i] = maximum(floor[i], m); isReleased[i] = 0; isTaken[i] = 0;
  if
  :: i == 0 -> echoedEver = 0
  :: i > 0 && has(members[m], 0) -> hold[i] = LENGTH
  :: else
  fi;
  doing[i] = LET_GO
}

/* Rule 3: the kernel first, then the word, which tells the holds. */
inline letGo(i) { held[i] = keeps[i]; keeps[i] = 0 }
inline sayReleased(i) {
  isReleased[i] = 1; released[map[i]] = released[map[i]] | (1 << i);
  if
#ifndef BUG_HOLDS_ARE_NOT_TOLD
  :: !has(members[map[i]], 0) -> told[map[i]] = maximum(told[map[i]], hold[i])
#endif
  :: else
  fi
}

/* Rule 5: echoes are given in the present map, by who has released for it, to a heartbeat of that map. */
#ifdef BUG_ECHO_IN_ANOTHER_MAP
#define isOfMap(i) has(members[askedIn], i)
#else
#define isOfMap(i) (askedIn == map[i])
#endif
#define hasLetGo(i) isReleased[i]
#define mayEcho(i) (doing[i] == IDLE && askedIn != 0 && map[i] != 0 && isOfMap(i) && hasLetGo(i) && !has(echoes, i))

/* Heartbeats are heard in order: that host 0 was empty before. */
inline echo(i) {
#ifndef BUG_ECHO_IS_NO_HOLD
  hold[i] = LENGTH;
#endif
  unheardEmpty = unheardEmpty & ~(1 << i);
  echoes = echoes | (1 << i);
  if :: askedIn == map[0] && !isTaken[0] -> echoedEver = echoedEver | (1 << i) :: else fi
}

/* Evidence: all other members have echoed in this map. Before it has let go itself, host 0 opens nothing. */
#ifdef BUG_OPENS_WITHOUT_EVIDENCE
#define isEvidence (askedIn == map[0])
#else
#define isEvidence (askedIn == map[0] && (members[map[0]] & ~1 & ~echoes) == 0)
#endif
#define mayPoint (doing[0] == IDLE && askedIn != 0 && armed > 0 && isEvidence && isReleased[0])

/* Rule 4. */
#ifdef BUG_TAKES_BEFORE_ALL_HAVE_RELEASED
#define allReleased(i) 1
#else
#define allReleased(i) (released[map[i]] == members[map[i]])
#endif
#ifdef BUG_TAKES_BEFORE_ALL_HAVE_ECHOED
#define allEchoed(i) 1
#else
#define allEchoed(i) ((i) != 0 || (members[map[i]] & ~1 & ~echoedEver) == 0)
#endif
#ifdef BUG_TAKES_WITHOUT_WAITING_FOR_HOLDS
#define holdsElapsed(i) 1
#else
#define holdsElapsed(i) ((i) == 0 || has(members[map[i]], 0) || (hold[i] == 0 && told[map[i]] == 0))
#endif
#define mayTake(i) (doing[i] == IDLE && map[i] != 0 && isReleased[i] && !isTaken[i] && allReleased(i) && allEchoed(i) && holdsElapsed(i))

/* Nothing is taken that passes on host 0 by an echo of a member of the map, unless a member has gone on: then it is host i that is late. */
#define hasGoneOn(j, m) (has(members[m], j) && (floor[j] > (m) || ((j) == RESTARTER && isNewLife != namesNewLife[m])))
#define isLate(m) (hasGoneOn(0, m) || hasGoneOn(1, m) || hasGoneOn(2, m))
#define tookTooEarly(i) ((held[i] & passes) != 0 && (members[map[i]] & gateMembers) != 0 && !isLate(map[i]))
/* Who is late takes nothing that was taken in a map to which a member of its own has gone on. */
#define tookTooLate(i) ((passes & held[i]) != 0 && isTaken[i] && map[i] > map[0] && (members[map[i]] & members[map[0]]) != 0)

inline take(i) {
  held[i] = givenBy(map[i], i); isTaken[i] = 1;
  if
  :: i > 0 -> assert(!tookTooEarly(i))
  :: else -> assert(!tookTooLate(1) && !tookTooLate(2))
  fi
}

proctype host(byte i) {
end:
  do
#ifdef BUG_ADOPTS_AN_OLDER_MAP
  :: d_step { mayAdopt(i, 1) -> adopt(i, 1) }
#endif
  :: d_step { mayAdopt(i, 2) -> adopt(i, 2) }
#if MAPS > 2
  :: d_step { mayAdopt(i, 3) -> adopt(i, 3) }
#endif
#ifdef BUG_SAYS_RELEASED_BEFORE_THE_KERNEL_HAS
  :: d_step { doing[i] == LET_GO -> sayReleased(i); doing[i] = SAY_RELEASED }
  :: d_step { doing[i] == SAY_RELEASED -> letGo(i); doing[i] = IDLE }
#else
  :: d_step { doing[i] == LET_GO -> letGo(i); doing[i] = SAY_RELEASED }
  :: d_step { doing[i] == SAY_RELEASED -> sayReleased(i); doing[i] = IDLE }
#endif
  :: d_step { i > 0 && mayEcho(i) -> echo(i) }
  :: d_step { i > 0 && mayTake(i) -> take(i) }
#if LEAVES > 0
  :: d_step { i > 0 && doing[i] == IDLE && has(unheardEmpty, i) -> unheardEmpty = unheardEmpty & ~(1 << i); hold[i] = 0 }
#endif
#if RESTARTER < 3
  /* `cleared` ends the hold for the former life. */
  :: d_step { i != RESTARTER && doing[i] == IDLE && isNewLife && !hasHeardNewLife[i] -> hasHeardNewLife[i] = 1; if :: RESTARTER == 0 -> hold[i] = 0 :: else fi }
#endif
  od
}

/* The same part passes on two hosts, of which one has its lease by an echo of the other. */
#define passesTwice(i) (has(gateMembers, i) && (held[0] & held[i]) != 0)

/* What host 0 does besides: its heartbeats, and its lease. */
proctype leaseOfHost0() {
end:
  do
  /* Armed before it is asked for. */
#ifdef BUG_ASKS_BEFORE_IT_IS_ARMED
  :: d_step { doing[0] == IDLE && map[0] != 0 && (armed < LENGTH || askedIn != map[0]) -> echoes = 0; askedIn = map[0]; doing[0] = SEND }
  :: d_step { doing[0] == SEND -> armed = LENGTH; doing[0] = IDLE }
#else
  :: d_step { doing[0] == IDLE && map[0] != 0 && (armed < LENGTH || askedIn != map[0]) -> echoes = 0; askedIn = 0; armed = LENGTH; doing[0] = SEND }
  :: d_step { doing[0] == SEND -> askedIn = map[0]; doing[0] = IDLE }
#endif
  /* A slot that ran out opens nothing; this one is used up. */
  :: d_step { mayPoint -> open = armed; gateMembers = members[map[0]]; armed = 0; askedIn = 0; echoes = 0; assert(!passesTwice(1) && !passesTwice(2)) }
  /* Any time may pass between the decision and the kernel. */
  :: d_step { mayTake(0) -> echoedEver = 0; doing[0] = TAKE }
  :: d_step { doing[0] == TAKE -> take(0); doing[0] = IDLE }
#if LEAVES > 0
  /* It gives up its map: closes the lease, lets everything go, and then says that it is empty. */
  :: d_step {
       doing[0] == IDLE && map[0] != 0 && leaves < LEAVES ->
       leaves++; map[0] = 0; isReleased[0] = 0; isTaken[0] = 0; askedIn = 0; echoes = 0; echoedEver = 0;
#ifdef BUG_SAYS_EMPTY_BEFORE_THE_KERNEL_IS
       skip;
#else
       armed = 0; open = 0; gateMembers = 0; held[0] = 0;
#endif
       unheardEmpty = ALL & ~1
     }
#endif
  od
}

#if RESTARTER < 3
/* Rule 6: a new life clears what the former one left, before its first heartbeat, and listens for H. It remembers nothing. */
proctype newLife() {
end:
  d_step {
    isNewLife = 1; map[RESTARTER] = 0; floor[RESTARTER] = 0; keeps[RESTARTER] = 0; doing[RESTARTER] = IDLE; isReleased[RESTARTER] = 0; isTaken[RESTARTER] = 0; hold[RESTARTER] = 0;
#ifndef BUG_NEW_LIFE_LEAVES_THE_OLD_RULES
    held[RESTARTER] = 0;
#endif
    if
    :: RESTARTER == 0 ->
       askedIn = 0; echoes = 0; echoedEver = 0;
#ifndef BUG_NEW_LIFE_LEAVES_THE_OLD_RULES
       armed = 0; open = 0; gateMembers = 0;
#endif
    :: else -> unheardEmpty = unheardEmpty & ~(1 << RESTARTER)
    fi;
#ifndef BUG_NEW_LIFE_DOES_NOT_LISTEN
    listening = LENGTH
#endif
  }
}
#endif

#define runDown(timer) if :: timer > 0 -> timer-- :: else fi

proctype clock() {
end:
  do
  :: d_step {
       open > 0 || armed > 0 || listening > 0 || hold[1] > 0 || hold[2] > 0 || told[2] > 0 || told[MAPS] > 0 ->
       if :: open == 1 -> gateMembers = 0 :: else fi;
       runDown(open); runDown(armed); runDown(listening); runDown(hold[1]); runDown(hold[2]);
       runDown(told[2]);
#if MAPS > 2
       runDown(told[3])
#endif
     }
  od
}

inline own(m, bucket) {
  if
  :: has(members[m], 0) -> givenBy(m, 0) = givenBy(m, 0) | (1 << (bucket))
  :: has(members[m], 1) -> givenBy(m, 1) = givenBy(m, 1) | (1 << (bucket))
  :: has(members[m], 2) -> givenBy(m, 2) = givenBy(m, 2) | (1 << (bucket))
  fi
}

inline makeMap(m) {
#ifdef SECOND_SET
  members[m] = (m == 2 -> SECOND_SET : THIRD_SET);
#else
  if :: members[m] = 1 :: members[m] = 2 :: members[m] = 3 :: members[m] = 4 :: members[m] = 5 :: members[m] = 6 :: members[m] = 7 fi;
#endif
  own(m, 0);
#if BUCKETS > 1
  own(m, 1);
#endif
  if :: before[m] = 0 :: before[m] = 1 :: m > 2 -> before[m] = 2 fi;
#if RESTARTER < 3
  if :: has(members[m], RESTARTER) -> namesNewLife[m] = 1 :: namesNewLife[m - 1] == 0 -> namesNewLife[m] = 0 fi;
#endif
  skip
}

init {
  atomic {
    members[1] = FIRST_SET; released[1] = FIRST_SET; givenBy(1, FIRST) = 1;
#if BUCKETS > 1
    givenBy(1, 2) = givenBy(1, 2) | 2;
#endif
    d_step {
      held[0] = givenBy(1, 0); held[1] = givenBy(1, 1); held[2] = givenBy(1, 2);
      map[0] = has(FIRST_SET, 0); map[1] = has(FIRST_SET, 1); map[2] = has(FIRST_SET, 2);
      floor[0] = map[0]; floor[1] = map[1]; floor[2] = map[2];
      isReleased[0] = map[0]; isReleased[1] = map[1]; isReleased[2] = map[2]; isTaken[0] = map[0]; isTaken[1] = map[1]; isTaken[2] = map[2]
    }
    makeMap(2);
#if MAPS > 2
    makeMap(3);
#endif
    run host(0); run host(1); run host(2); run leaseOfHost0(); run clock();
#if RESTARTER < 3
    run newLife()
#endif
  }
}
