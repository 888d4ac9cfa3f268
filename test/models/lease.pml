/*
 * The lease (docs/safety.md, chapters "The lease" and "Models"; the names of the steps are theirs).
 *
 * Node 0 holds a role through its gate. Nodes 1 and 2 echo its ticks, form views with or without
 * it, and take the role when the hold of a view without it has elapsed. Nobody's steps have any
 * order but their own, and time passes between any two: every pause of every thread is covered.
 *
 * Bounds: 3 nodes, ticks 1 to TICKS in SLOTS slots, epochs 1 to EPOCHS (1 is active at the start), one
 * WEIGHTS, to the votes of VOTERS, RESTARTS new lives of nodes 1 and 2, L = LENGTH steps of time. With TOKEN the
 * WEIGHTS changes no votes but the token: L = OLD under W 1, NEW under W 2, which tells OLD as the former one. (The W
 * that forgets it is in the simulation.) Then an append is acknowledged in a step of its own, and lost with the life before.
 *
 * SECOND_SET and THIRD_SET fix the members of epochs 2 and 3 for a run that would be too large otherwise.
 *
 * Abstracted:
 * - Clocks tick together and L = H. What H is longer than L by pays for the clocks' rates and the
 *   kernel's granularity; that arithmetic has unit tests, and the simulation has such clocks.
 * - Messages are facts that may be noticed at any later time, by each at its own, or never.
 * - PROPOSE, STATE and the choice of the base are one step for all members of a formation: a
 *   promise only takes steps away. log.pml has them apart. An entry is acknowledged when it is appended: an
 *   acknowledgement that comes later, or never, only means that others learn less, later.
 * - hold[e] is that of the first quorum of ACCEPTs: more of them could only make it longer.
 * - A taker's own lease is not looked at: it serves as soon as its holds allow, which is earlier
 *   than it could. Claims are in log.pml and in the simulation.
 *
 * Each BUG_ leaves one sentence of the protocol out; the checker must find each.
 */
#ifndef TICKS
#define TICKS 2
#endif
#ifndef EPOCHS
#define EPOCHS 3
#endif
#ifndef RESTARTS
#define RESTARTS 0
#endif
#ifndef WEIGHTS
#define WEIGHTS 1
#endif
#ifndef LENGTH
#define LENGTH 1
#endif
#ifndef OLD
#define OLD LENGTH
#endif
#ifndef NEW
#define NEW LENGTH
#endif
/* Who has the votes under W 2, as a set: node 1 alone, unless said otherwise. */
#ifndef VOTERS
#define VOTERS 2
#endif

#ifndef SLOTS
#define SLOTS 2
#endif
#define NOWHERE SLOTS
#define maximum(a, b) ((a) > (b) -> (a) : (b))
#define has(set, node) (((set) >> (node)) & 1)

/* More than half of the votes: one each under W 1; all of VOTERS (one or two) under W 2. */
#define quorumOld(set) ((set) == 3 || (set) == 5 || (set) == 6 || (set) == 7)
#ifdef TOKEN
#define quorumNew(set) quorumOld(set)
#else
#define quorumNew(set) (((set) & VOTERS) == VOTERS)
#endif
#define quorum(set, w, committed) (((w) == 1 && quorumOld(set)) || ((w) == 2 && quorumNew(set) && ((committed) || quorumOld(set))))
#ifdef BUG_EVIDENCE_UNDER_NEW_WEIGHTS_ONLY
#define evidenceQuorum(set, w, committed) quorum(set, w, 1)
#else
#define evidenceQuorum(set, w, committed) quorum(set, w, committed)
#endif
#ifdef BUG_VIEW_WITHOUT_JOINT_RULE
#define viewQuorum(set, w, committed) quorum(set, w, 1)
#else
#define viewQuorum(set, w, committed) quorum(set, w, committed)
#endif

#define LONGEST maximum(OLD, NEW)
#define SHORTEST ((OLD) < (NEW) -> (OLD) : (NEW))

/* L: by the shorter token until W 2 is known to be committed. */
#ifdef BUG_LONGER_L_WHEN_APPENDED
#define leaseOf(w, committed) ((w) == 1 -> OLD : NEW)
#else
#define leaseOf(w, committed) ((w) == 1 -> OLD : ((committed) -> NEW : SHORTEST))
#endif
/* H: W 2 tells both tokens, and the longer one counts. By the base alone: the code counts what was in force before, too. */
#ifdef BUG_SHORTER_H_WHEN_APPENDED
#define holdOf(w, committed) ((w) == 1 -> OLD : NEW)
#else
#ifdef BUG_NO_FORMER_TOKEN
#define holdOf(w, committed) ((w) == 1 -> OLD : ((committed) -> NEW : LONGEST))
#else
#define holdOf(w, committed) ((w) == 1 -> OLD : LONGEST)
#endif
#endif

/* The main threads. */
byte promised[3] = 1, accepted[3] = 1, epoch[3] = 1, weights[3] = 1;
#ifdef TOKEN
byte onDisk[3] = 1;             /* W as it is on the disk; a promise is written after what was appended before */
#endif
bit knowsCommitted[3];
bit installing[3];              /* between the two halves of ACCEPT */
bit formerLife[3];              /* what it promised, a former life did */
byte excludedAt[3];
bit leftOutBy[3];               /* durable: it accepted an INSTALL without node 0 */
byte lastEcho[3];               /* of node 0's ticks: what is left of the longest H since then */
byte holdLeft[3];
#ifdef BUG_HOLD_FROM_ACCEPT
byte sinceAccept[3];
#endif

/* The workers: the terms they have, and what they do next. */
byte workerEpoch[3] = 1, workerWeights[3] = 1;
bit workerKnowsCommitted;
byte doing[3];
byte echoing[3];                /* the tick that is being echoed */
byte echoed[3];                 /* the newest that was; terms change between ticks, so it tells them too */

/* Node 0's worker and its gate. */
byte slot[SLOTS];                  /* what is left of L */
byte pointed = NOWHERE;
byte tick, vouched, firstOfTerms = 1, evidenced;
byte tickEpoch[TICKS + 1], tickWeights[TICKS + 1];

/* Views. */
byte formation = 1;
byte members[EPOCHS + 1], accepters[EPOCHS + 1], base[EPOCHS + 1], hold[EPOCHS + 1];
bit baseCommitted[EPOCHS + 1], isActive[EPOCHS + 1];

byte weightsEpoch, weightsAcks, restarts;

/* What a worker is about to do. */
#define IDLE 0
#define VOUCH 1
#define SEND 2
#define POINT 3
#define ARM 4
#define CHECK_EXCLUSION 5
#define CHECK_TERMS 6
#define ECHO 7
#ifdef BUG_LAST_ECHO_AFTER_SENDING
#define STORE_LATE 8
#else
#define STORE_LATE IDLE
#endif

#define underNewestTerms(i) (workerEpoch[i] == epoch[i] && workerWeights[i] == weights[i])
#define tickIsOf(k, i) (tickEpoch[k] == workerEpoch[i] && tickWeights[k] == workerWeights[i])
#define echoersOf(k) ((vouched >= (k) -> 1 : 0) + (echoed[1] >= (k) -> 2 : 0) + (echoed[2] >= (k) -> 4 : 0))
#define isEvidence(k) (tick >= (k) && evidenced < (k) && (k) >= firstOfTerms && evidenceQuorum(echoersOf(k), workerWeights[0], workerKnowsCommitted))
/* Its hold has elapsed: it takes the role at once, and keeps it in whatever views follow. */
#define serves(i) (epoch[i] > 1 && !has(members[epoch[i]], 0) && holdLeft[i] == 0)
#define gateIsOpen (pointed != NOWHERE && slot[pointed] > 0)

inline noteEcho(node) { lastEcho[node] = LONGEST }
#define leftOfHold(i) (lastEcho[i] + holdOf(weights[i], knowsCommitted[i]) > LONGEST -> lastEcho[i] + holdOf(weights[i], knowsCommitted[i]) - LONGEST : 0)

/* It vouches for its own tick, by the rule for all echoes. */
inline vouch() {
#ifdef BUG_VOUCHES_UNDER_OLD_TERMS
  vouched = tick
#else
  if :: underNewestTerms(0) -> vouched = tick :: else fi
#endif
}

inline sendTick() { tickEpoch[tick] = workerEpoch[0]; tickWeights[tick] = workerWeights[0] }

/* Opens nothing if the slot belongs to a later tick by now. */
inline confirm() {
  if :: evidenced + SLOTS > tick -> pointed = evidenced % SLOTS :: else fi
}

/* 1. arm, 2. TICK, 3. evidence, 4. confirm. */
proctype holderWorker() {
end:
  do
  :: d_step {
       doing[0] == IDLE && tick < TICKS ->
       tick++;
#ifndef BUG_ARM_THE_POINTED_SLOT
       if :: pointed == tick % SLOTS -> pointed = NOWHERE :: else fi;
#endif
#ifdef BUG_CONFIRM_BEFORE_EVIDENCE
       pointed = tick % SLOTS;
#endif
#ifdef BUG_SEND_BEFORE_ARMING
       vouch(); sendTick(); doing[0] = ARM
#else
       slot[tick % SLOTS] = leaseOf(workerWeights[0], workerKnowsCommitted);
#ifdef FINE
       doing[0] = VOUCH
#else
       vouch(); sendTick()
#endif
#endif
     }
#ifdef BUG_SEND_BEFORE_ARMING
  :: d_step { doing[0] == ARM -> slot[tick % SLOTS] = leaseOf(workerWeights[0], workerKnowsCommitted); doing[0] = IDLE }
#endif
#ifdef FINE
  :: d_step { doing[0] == VOUCH -> vouch(); doing[0] = SEND }
  :: d_step { doing[0] == SEND -> sendTick(); doing[0] = IDLE }
#endif
  /* Evidence: echoes count when they are noticed. */
  :: atomic {
       doing[0] == IDLE && (isEvidence(1) || isEvidence(2) || (TICKS > 2 && isEvidence(3))) ->
       if :: isEvidence(1) -> evidenced = 1 :: isEvidence(2) -> evidenced = 2 :: TICKS > 2 && isEvidence(3) -> evidenced = 3 fi;
#ifdef FINE
       doing[0] = POINT
#else
       confirm()
#endif
     }
#ifdef FINE
  :: d_step { doing[0] == POINT -> confirm(); doing[0] = IDLE }
#endif
  :: d_step {
       doing[0] == IDLE && !underNewestTerms(0) ->
       workerEpoch[0] = epoch[0]; workerWeights[0] = weights[0]; workerKnowsCommitted = knowsCommitted[0]; firstOfTerms = tick + 1
     }
  :: d_step { doing[0] == IDLE && underNewestTerms(0) && workerKnowsCommitted != knowsCommitted[0] -> workerKnowsCommitted = knowsCommitted[0] }
  od
}

#define mayEcho(k, i) (tick >= (k) && echoed[i] < (k) && tickIsOf(k, i))
#ifdef BUG_ECHO_AFTER_ACCEPT
#define isExcluded(i) 0
#else
#define isExcluded(i) (excludedAt[i] > workerEpoch[i])
#endif
#ifdef BUG_ECHO_UNDER_OLD_TERMS
#define isUnderOldTerms(i) 0
#else
#define isUnderOldTerms(i) (!underNewestTerms(i))
#endif

/* The echo rule: store lastEcho, check, send. */
proctype echoWorker(byte i) {
end:
  do
  :: atomic {
       doing[i] == IDLE && (mayEcho(1, i) || mayEcho(2, i) || (TICKS > 2 && mayEcho(3, i))) ->
       if :: mayEcho(1, i) -> echoing[i] = 1 :: mayEcho(2, i) -> echoing[i] = 2 :: TICKS > 2 && mayEcho(3, i) -> echoing[i] = 3 fi;
#ifndef BUG_LAST_ECHO_AFTER_SENDING
       noteEcho(i);
#endif
       doing[i] = CHECK_EXCLUSION
     }
#ifdef FINE
  :: d_step { doing[i] == CHECK_EXCLUSION && !isExcluded(i) -> doing[i] = CHECK_TERMS }
  :: d_step { doing[i] == CHECK_EXCLUSION && isExcluded(i) -> echoing[i] = 0; doing[i] = IDLE }
  :: d_step { doing[i] == CHECK_TERMS && !isUnderOldTerms(i) -> doing[i] = ECHO }
  :: d_step { doing[i] == CHECK_TERMS && isUnderOldTerms(i) -> echoing[i] = 0; doing[i] = IDLE }
  :: d_step { doing[i] == ECHO -> echoed[i] = echoing[i]; echoing[i] = 0; doing[i] = STORE_LATE }
#else
  :: d_step { doing[i] == CHECK_EXCLUSION && !isExcluded(i) && !isUnderOldTerms(i) -> echoed[i] = echoing[i]; echoing[i] = 0; doing[i] = STORE_LATE }
  :: d_step { doing[i] == CHECK_EXCLUSION && (isExcluded(i) || isUnderOldTerms(i)) -> echoing[i] = 0; doing[i] = IDLE }
#endif
#ifdef BUG_LAST_ECHO_AFTER_SENDING
  :: d_step { doing[i] == STORE_LATE -> noteEcho(i); doing[i] = IDLE }
#endif
  :: d_step { doing[i] == IDLE && !underNewestTerms(i) -> workerEpoch[i] = epoch[i]; workerWeights[i] = weights[i] }
  od
}

#define isIn(i, e) (has(members[e], i) && !formerLife[i])
#define follows(i) (!installing[i] && epoch[i] == promised[i])

/* hold[e] is the maximum over the ACCEPTs. */
inline readLastEcho(i, e) {
  if
  :: !has(members[e], 0) && !isActive[e] -> hold[e] = maximum(hold[e], maximum(leftOfHold(i), holdLeft[i]))
  :: else
  fi
}

inline exclude(i, e) {
  if :: !has(members[e], 0) -> excludedAt[i] = e; leftOutBy[i] = 1 :: else fi
}

proctype mainThread(byte i) {
end:
  do
  /* INSTALL is carried out: the base is appended, which is new terms; who is left out is excluded. */
  :: d_step {
       !installing[i] && isIn(i, promised[i]) && accepted[i] < promised[i] ->
       accepted[i] = promised[i];
#ifndef BUG_INSTALL_TEACHES_NO_COMMIT
       /* To learn it from an INSTALL is to learn it. */
       if
       :: baseCommitted[promised[i]] && !knowsCommitted[i] ->
          knowsCommitted[i] = 1;
          if :: i > 0 -> noteEcho(i) :: else fi
       :: else
       fi;
#endif
#ifndef BUG_BASE_IS_NOT_APPENDED_BEFORE_ACCEPT
       weights[i] = base[promised[i]];
#endif
#ifdef TOKEN
       onDisk[i] = weights[i];
#endif
#ifdef BUG_READ_BEFORE_EXCLUDING
       readLastEcho(i, promised[i]);
#else
       exclude(i, promised[i]);
#endif
       installing[i] = 1
     }
  /* ACCEPT: lastEcho is read after. The quorum of them makes the view active. */
  :: d_step {
       installing[i] ->
#ifdef BUG_READ_BEFORE_EXCLUDING
       exclude(i, promised[i]);
#else
       readLastEcho(i, promised[i]);
#endif
#ifdef BUG_HOLD_FROM_ACCEPT
       sinceAccept[i] = LENGTH;
#endif
       installing[i] = 0;
       accepters[promised[i]] = accepters[promised[i]] | (1 << i);
       if
       :: viewQuorum(accepters[promised[i]], base[promised[i]], baseCommitted[promised[i]]) -> isActive[promised[i]] = 1
       :: else
       fi
     }
  /* ACTIVE is delivered: the whole base is committed. */
  :: d_step {
       !installing[i] && isIn(i, promised[i]) && isActive[promised[i]] && accepted[i] == promised[i] && epoch[i] < promised[i] ->
       if
       :: i == 0 || serves(i)
       :: i > 0 && has(members[promised[i]], 0) -> noteEcho(i)
       :: i > 0 && !has(members[promised[i]], 0) && !serves(i) ->
#ifdef BUG_HOLD_FROM_ACCEPT
          if :: hold[promised[i]] + sinceAccept[i] > LENGTH -> holdLeft[i] = maximum(holdLeft[i], hold[promised[i]] + sinceAccept[i] - LENGTH) :: else fi
#else
          holdLeft[i] = maximum(holdLeft[i], hold[promised[i]])
#endif
       fi;
       epoch[i] = promised[i];
       weights[i] = base[promised[i]];
       knowsCommitted[i] = (weights[i] == 2)
     }
  /* WEIGHTS is appended (once, in one epoch) and acknowledged, and known to be committed. */
  :: d_step {
       WEIGHTS && follows(i) && weights[i] == 1 && (weightsEpoch == 0 || weightsEpoch == epoch[i]) ->
       weights[i] = 2; weightsEpoch = epoch[i];
#ifndef TOKEN
       weightsAcks = weightsAcks | (1 << i)
#endif
     }
#ifdef TOKEN
  :: d_step { follows(i) && epoch[i] == weightsEpoch && weights[i] == 2 && !has(weightsAcks, i) -> onDisk[i] = 2; weightsAcks = weightsAcks | (1 << i) }
#endif
  :: d_step {
       follows(i) && epoch[i] == weightsEpoch && weights[i] == 2 && !knowsCommitted[i] && quorumOld(weightsAcks) && quorumNew(weightsAcks) ->
       knowsCommitted[i] = 1;
#ifndef BUG_COMMIT_IS_NO_ECHO
       if :: i > 0 && has(members[epoch[i]], 0) -> noteEcho(i) :: else fi
#endif
     }
  /* A new life: lastEcho is the process start; what it promised and accepted is durable. */
  :: d_step {
       i > 0 && restarts < RESTARTS ->
       restarts++; formerLife[i] = 1; epoch[i] = 0; installing[i] = 0; excludedAt[i] = 0; holdLeft[i] = 0;
#ifdef BUG_EXCLUSION_IS_FORGOTTEN
       leftOutBy[i] = 0;
#endif
#ifdef TOKEN
       weights[i] = onDisk[i];
#endif
       workerEpoch[i] = 0; workerWeights[i] = 0; doing[i] = IDLE; echoing[i] = 0; noteEcho(i)
     }
  od
}

inline state(i) {
  if
  :: has(set, i) ->
     if
     :: accepted[i] > best || (accepted[i] == best && weights[i] > newest) -> best = accepted[i]; newest = weights[i]
     :: else
     fi;
     committed = committed | knowsCommitted[i]
  :: else
  fi
}

inline promise(i) {
#ifdef TOKEN
  if :: has(set, i) -> promised[i] = formation; formerLife[i] = 0; onDisk[i] = weights[i] :: else fi
#else
  if :: has(set, i) -> promised[i] = formation; formerLife[i] = 0 :: else fi
#endif
}

/* PROPOSE and STATE of any set that may go on, at any time. A promise of those who may not would only take steps away. */
proctype proposer() {
  byte set, best, newest;
  bit committed;
end:
  do
  :: atomic {
       formation < EPOCHS ->
#ifdef SECOND_SET
       set = (formation == 1 -> SECOND_SET : THIRD_SET);
#else
       if :: set = 1 :: set = 2 :: set = 3 :: set = 4 :: set = 5 :: set = 6 :: set = 7 fi;
#endif
       d_step {
         state(0); state(1); state(2);
         if
         /* Who was left out comes back as a new incarnation only; who is in the middle of an INSTALL answers after it. */
#ifndef BUG_RETURNS_AS_IT_WAS
         :: has(set, 0) && ((has(set, 1) && leftOutBy[1]) || (has(set, 2) && leftOutBy[2]))
#endif
         :: (has(set, 0) && installing[0]) || (has(set, 1) && installing[1]) || (has(set, 2) && installing[2])
         :: else ->
            if
            :: viewQuorum(set, newest, committed) ->
               formation++; members[formation] = set; base[formation] = newest; baseCommitted[formation] = committed;
               promise(0); promise(1); promise(2)
            :: else
            fi
         fi;
         set = 0; best = 0; newest = 0; committed = 0
       }
     }
  od
}

#define runDown(timer) if :: timer > 0 -> timer-- :: else fi

proctype clock() {
end:
  do
  :: d_step {
       slot[0] > 0 || slot[SLOTS - 1] > 0 || lastEcho[1] > 0 || lastEcho[2] > 0 || holdLeft[1] > 0 || holdLeft[2] > 0 ->
       runDown(slot[0]); if :: SLOTS > 1 -> runDown(slot[SLOTS - 1]) :: else fi; runDown(lastEcho[1]); runDown(lastEcho[2]); runDown(holdLeft[1]); runDown(holdLeft[2]);
#ifdef BUG_HOLD_FROM_ACCEPT
       runDown(sinceAccept[1]); runDown(sinceAccept[2]);
#endif
     }
  od
}

/* Never do two serve one role. */
proctype invariant() {
end:
  d_step { (serves(1) || serves(2)) && gateIsOpen -> assert(false) }
}

init {
  d_step { members[1] = 7; base[1] = 1; isActive[1] = 1; noteEcho(1); noteEcho(2) }
  atomic {
    run holderWorker(); run echoWorker(1); run echoWorker(2); run mainThread(0); run mainThread(1); run mainThread(2); run proposer(); run clock(); run invariant()
  }
}
