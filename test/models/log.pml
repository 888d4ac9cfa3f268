/*
 * The log: epochs, votes, claims (docs/safety.md, chapters "The log, rule by rule" and "Models";
 * the names of the steps are theirs).
 *
 * Bounds: NODES nodes with one vote each, WITNESS votes of a witness, epochs 1 to EPOCHS, UPDATES
 * updates, at most one WEIGHTS (to the nodes in VOTERS; 0 = none) and WIPES stores that are wiped.
 *
 * All of them at once are too many: 13 million states in two minutes, and not at the end. runs.ts splits
 * them over searches that are each exhaustive.
 *
 * Abstracted:
 * - A log is its entries as digits to the base of 4: 1 and 2 are updates, 3 is WEIGHTS; at most three.
 * - Messages are facts that may be noticed at any later time, by each at its own, or never: a lost
 *   suffix, a hole, a message of a former epoch. Who has crashed takes no steps; what it had is durable.
 * - The durable write and the message that follows from it are one step. Fetching is one step.
 * - Times (silence, detection, leases) are not modelled: any set may try to form a view at any time.
 *
 * Each BUG_ leaves one sentence of the protocol out; the checker must find each.
 */
#ifndef NODES
#define NODES 3
#endif
#ifndef WITNESS
#define WITNESS 0
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef UPDATES
#define UPDATES 1
#endif
#ifndef VOTERS
#define VOTERS 0
#endif
#ifndef WIPES
#define WIPES 0
#endif

#define WEIGHTS_ENTRY 3
#define has(set, node) (((set) >> (node)) & 1)
#define count(set) (has(set, 0) + has(set, 1) + has(set, 2))

#define size(log) ((log) == 0 -> 0 : ((log) < 4 -> 1 : ((log) < 16 -> 2 : 3)))
#define prefix(log, length) ((log) >> (2 * (size(log) - (length))))
#define hasEntry(log, entry) (((log) & 3) == (entry) || (((log) >> 2) & 3) == (entry) || (((log) >> 4) & 3) == (entry))
#define isPrefix(part, log) (size(part) <= size(log) && prefix(log, size(part)) == (part))

/* Votes belong to a node and its store: `wiped` has other stores than W 1 names; W 2 names those of its time. */
#ifdef BUG_WIPED_STORE_VOTES
#define votersOld(gone) ((1 << NODES) - 1)
#else
#define votersOld(gone) (((1 << NODES) - 1) & ~(gone))
#endif
#define votersNew(gone) (VOTERS & ~((gone) & ~admitted))
#define majority(votes, all) (2 * (votes) > (all))
#define allOld (NODES + WITNESS)
#define allNew (count(VOTERS) + WITNESS)
#define quorumOld(set, extra, gone) majority(count((set) & votersOld(gone)) + (extra), allOld)
#define quorumNew(set, extra, gone) majority(count((set) & votersNew(gone)) + (extra), allNew)
/* Under the weights of this log, and those before them while they are not known to be committed. */
#ifdef BUG_NO_JOINT_RULE
#define quorum(set, extra, gone, log, known) ((!hasEntry(log, WEIGHTS_ENTRY) && quorumOld(set, extra, gone)) || (hasEntry(log, WEIGHTS_ENTRY) && quorumNew(set, extra, gone)))
#else
#define quorum(set, extra, gone, log, known) ((!hasEntry(log, WEIGHTS_ENTRY) && quorumOld(set, extra, gone)) || (hasEntry(log, WEIGHTS_ENTRY) && quorumNew(set, extra, gone) && ((known) || quorumOld(set, extra, gone))))
#endif
#define voting(set, gone, log, known) ((set) & ((hasEntry(log, WEIGHTS_ENTRY) -> votersNew(gone) : 0) | ((hasEntry(log, WEIGHTS_ENTRY) && (known)) -> 0 : (votersOld(gone)))))
/* quorum(D): a majority without the witness; or, in a view that a claim decided, all who stood behind the claim and all voting members. */
#ifdef BUG_WITNESS_ACKNOWLEDGES
#define viewQuorum(e, set, log, known) quorum(set, WITNESS, goneAt[e], log, known)
#else
#ifdef BUG_CLAIMERS_SHRINK_WITH_THEIR_VOTES
#define allVoting(e, set, log, known) (voting(members[e], goneAt[e], log, known) != 0 && (voting(members[e], goneAt[e], log, known) & ~(set)) == 0)
#else
#define allVoting(e, set, log, known) (((claim[e] | voting(members[e], goneAt[e], log, known)) & ~(set)) == 0)
#endif
#define viewQuorum(e, set, log, known) (quorum(set, 0, goneAt[e], log, known) || (isClaimed(e) && allVoting(e, set, log, known)))
#endif

/* Durable, by node. */
byte promised[3], accepted[3], entries[3];
bit knowsCommitted[3];          /* that its WEIGHTS is committed */
byte firstEpoch[3] = 1;         /* of this life and store */
byte wiped, admitted;

/* Views. */
byte newest;                    /* the newest that was proposed */
byte members[EPOCHS + 1], stated[EPOCHS + 1], accepters[EPOCHS + 1];
byte bestAccepted[EPOCHS + 1], base[EPOCHS + 1];
byte holders[EPOCHS + 1];       /* claims that somebody of the set stood behind and accepted */
byte goneAt[EPOCHS + 1];         /* stores wiped before its INSTALL, which names the others */
bit bestKnows[EPOCHS + 1], decided[EPOCHS + 1], isActive[EPOCHS + 1];
byte ordered[EPOCHS + 1];       /* the orderer's log */
byte committed[EPOCHS + 1];     /* how much of it */
bit viewKnows[EPOCHS + 1];      /* its WEIGHTS is committed */
byte acknowledged[(EPOCHS + 1) * 3];

/* The witness: the voting members of each claim. */
byte claim[EPOCHS + 1];

byte numbered;                  /* updates that were asked for */
bit weightsNumbered;
byte wipes;

#define isClaimed(e) (claim[e] != 0)
#define isHighestClaim(e) ((EPOCHS < 2 || (e) >= 2 || !isClaimed(2)) && (EPOCHS < 3 || (e) >= 3 || !isClaimed(3)))
/* The chain: somebody behind the claim accepted it, or the best log is of later; or the claim came to nothing, and the one before it is judged. */
#define isPassed(c, e) (bestAccepted[e] > (c) || has(holders[e], c))
#define cameToNothing(c, e) ((claim[c] & members[e]) != 0)
#define judgeFirst(e) (!isClaimed(1) || isPassed(1, e) || cameToNothing(1, e))
#ifdef BUG_ONLY_THE_NEWEST_CLAIM_COUNTS
#define judgeSecond(e) (isClaimed(2) -> (isPassed(2, e) || cameToNothing(2, e)) : judgeFirst(e))
#else
#define judgeSecond(e) (isClaimed(2) -> (isPassed(2, e) || (cameToNothing(2, e) && judgeFirst(e))) : judgeFirst(e))
#endif
#ifdef BUG_CLAIM_OF_A_STALE_LOG
#define mayClaim(e) 1
#else
#define mayClaim(e) ((e) == 1 || ((e) == 2 && judgeFirst(e)) || ((e) == 3 && judgeSecond(e)))
#endif

#define isIn(i, e) (has(members[e], i) && firstEpoch[i] <= (e))
#define isAt(i, e) (isIn(i, e) && promised[i] == (e) && accepted[i] == (e))
#define orderer(e) (has(accepters[e], 0) -> 0 : (has(accepters[e], 1) -> 1 : 2))
/* Its own copy may lag here: it writes its disk like everybody. */
#define orders(e) (isActive[e] && isAt(orderer(e), e))
#define ackersOf(e, length) ((acknowledged[(e) * 3] >= (length) -> 1 : 0) | (acknowledged[(e) * 3 + 1] >= (length) -> 2 : 0) | (acknowledged[(e) * 3 + 2] >= (length) -> 4 : 0))

/* Every active view that is later than a committed entry has it: so no two have authority, and nothing acknowledged is lost. */
inline checkViews() {
  a = 1;
  do
  :: a < EPOCHS ->
     b = a + 1;
     do
     :: b <= EPOCHS -> assert(!isActive[b] || committed[a] == 0 || isPrefix(prefix(ordered[a], committed[a]), base[b])); b++
     :: else -> break
     od;
     a++
  :: else -> break
  od;
  a = 0; b = 0
}

/* Equal tags, equal logs. */
inline checkTags() {
  assert(accepted[0] != accepted[1] || accepted[0] == 0 || size(entries[0]) != size(entries[1]) || entries[0] == entries[1]);
  assert(accepted[0] != accepted[2] || accepted[0] == 0 || size(entries[0]) != size(entries[2]) || entries[0] == entries[2]);
  assert(accepted[1] != accepted[2] || accepted[1] == 0 || size(entries[1]) != size(entries[2]) || entries[1] == entries[2])
}

proctype member(byte i) {
  byte e = 1, a, b;
end:
  do
  /* STATE: the promise is durable; the proposer keeps the best log. */
  :: d_step {
       e <= newest && isIn(i, e) && promised[i] < e ->
       promised[i] = e; stated[e] = stated[e] | (1 << i);
       if
#ifdef BUG_BEST_LOG_IS_THE_LONGEST
       :: stated[e] == (1 << i) || size(entries[i]) > size(base[e]) -> bestAccepted[e] = accepted[i]; base[e] = entries[i]
#else
#ifdef BUG_BEST_LOG_IS_THE_PROPOSERS
       :: stated[e] == (1 << i) -> bestAccepted[e] = accepted[i]; base[e] = entries[i]
#else
       :: accepted[i] > bestAccepted[e] || (accepted[i] == bestAccepted[e] && size(entries[i]) > size(base[e])) -> bestAccepted[e] = accepted[i]; base[e] = entries[i]
#endif
#endif
       :: else
       fi;
       bestKnows[e] = bestKnows[e] | knowsCommitted[i];
       if :: accepted[i] >= 1 && has(claim[1], i) -> holders[e] = holders[e] | 2 :: else fi;
       if :: accepted[i] >= 2 && has(claim[2], i) -> holders[e] = holders[e] | 4 :: else fi
     }
  /* INSTALL is carried out, ACCEPT is sent. */
  :: d_step {
       decided[e] && isIn(i, e) && promised[i] == e && accepted[i] < e ->
       entries[i] = base[e]; accepted[i] = e; accepters[e] = accepters[e] | (1 << i);
       knowsCommitted[i] = knowsCommitted[i] | bestKnows[e];
       checkTags()
     }
  /* ENTRY is appended, ACK is sent. */
  :: d_step {
#ifdef BUG_ACKNOWLEDGES_AFTER_PROMISE
       isActive[e] && isIn(i, e) && accepted[i] == e && size(entries[i]) < size(ordered[e]) ->
#else
       isActive[e] && isAt(i, e) && size(entries[i]) < size(ordered[e]) ->
#endif
#ifdef BUG_APPENDS_OVER_HOLES
       entries[i] = (entries[i] << 2) + (ordered[e] & 3);
#else
       entries[i] = prefix(ordered[e], size(entries[i]) + 1);
#endif
       acknowledged[e * 3 + i] = size(entries[i]);
       checkTags()
     }
  /* It learns that WEIGHTS is committed. */
  :: d_step { isActive[e] && isAt(i, e) && viewKnows[e] && hasEntry(entries[i], WEIGHTS_ENTRY) && !knowsCommitted[i] -> knowsCommitted[i] = 1 }
  /* It looks at the next formation; what it could still do in this one it could have done before. */
#ifndef BUG_ACKNOWLEDGES_AFTER_PROMISE
  :: d_step { e < newest -> e++ }
#else
  :: d_step { e < newest -> e++ }
  :: d_step { e > 1 -> e-- }
#endif
  /* Its store is wiped: another store, without what it promised, and another life. */
  :: d_step {
       wipes < WIPES ->
       wipes++; wiped = wiped | (1 << i); promised[i] = 0; accepted[i] = 0; entries[i] = 0; knowsCommitted[i] = 0; firstEpoch[i] = newest + 1
     }
  od
}

proctype view(byte e) {
  byte a, b;
end:
  do
  /* PROPOSE to any set. */
  :: atomic {
       newest == e - 1 ->
       if :: members[e] = 1 :: members[e] = 2 :: members[e] = 3 :: NODES > 2 -> members[e] = 4 :: NODES > 2 -> members[e] = 5 :: NODES > 2 -> members[e] = 6 :: NODES > 2 -> members[e] = 7 fi;
       newest = e
     }
  /* The votes of the nodes decide. */
  :: d_step { newest >= e && stated[e] == members[e] && members[e] != 0 && !decided[e] && quorum(stated[e], 0, wiped, base[e], bestKnows[e]) -> decided[e] = 1; goneAt[e] = wiped }
  /* CLAIM: written once, lost if a higher one exists. */
  :: d_step {
       WITNESS > 0 && newest >= e && stated[e] == members[e] && members[e] != 0 && !decided[e] &&
       !quorum(stated[e], 0, wiped, base[e], bestKnows[e]) && quorum(stated[e], WITNESS, wiped, base[e], bestKnows[e]) &&
       isHighestClaim(e) && mayClaim(e) ->
       claim[e] = voting(members[e], wiped, base[e], bestKnows[e]);
       decided[e] = 1; goneAt[e] = wiped
     }
  /* ACTIVE: with it the whole base is committed. */
  :: d_step {
       decided[e] && !isActive[e] && viewQuorum(e, accepters[e], base[e], bestKnows[e]) ->
       isActive[e] = 1; ordered[e] = base[e]; committed[e] = size(base[e]); viewKnows[e] = hasEntry(base[e], WEIGHTS_ENTRY);
       acknowledged[e * 3] = (has(accepters[e], 0) -> size(base[e]) : 0);
       acknowledged[e * 3 + 1] = (has(accepters[e], 1) -> size(base[e]) : 0);
       acknowledged[e * 3 + 2] = (has(accepters[e], 2) -> size(base[e]) : 0);
       checkViews()
     }
  /* The orderer, the lowest member that accepted, numbers an update. */
  :: d_step { orders(e) && numbered < UPDATES && size(ordered[e]) < 3 -> numbered++; ordered[e] = (ordered[e] << 2) + numbered }
  /* WEIGHTS: who holds a copy and is wanted gets a vote. */
  :: d_step { orders(e) && VOTERS != 0 && !weightsNumbered && size(ordered[e]) < 3 -> weightsNumbered = 1; admitted = wiped & accepters[e]; ordered[e] = (ordered[e] << 2) + WEIGHTS_ENTRY }
  /* Committed: the callers are answered. */
  :: d_step {
       isActive[e] && committed[e] < size(ordered[e]) && viewQuorum(e, ackersOf(e, committed[e] + 1), ordered[e], viewKnows[e]) ->
       committed[e]++;
       viewKnows[e] = viewKnows[e] | ((prefix(ordered[e], committed[e]) & 3) == WEIGHTS_ENTRY);
       checkViews()
     }
  od
}

init {
  byte e = 1;
  atomic {
    do :: e <= EPOCHS -> run view(e); e++ :: else -> break od;
    run member(0); run member(1);
    if :: NODES > 2 -> run member(2) :: else fi
  }
}
