/** A rule left out: one piece of source text replaced by another. */
export interface Mutant {
  rule: string
  file: string
  from: string
  to: string
  /** The scenario in which it shows, by name. */
  shows: string
  /** The property that breaks first there. */
  breaks: string
  /** The choices of a schedule that shows it, where the search takes seconds until it comes to one. The search goes on if they no longer show it. */
  schedule?: string
}

/** The rules 1 to 10 and 18, each left out once. */
export const mutants: Mutant[] = [
  {
    rule: '1: an unexpired lease is not waited for',
    file: 'refresh-protocol.ts',
    from: 'if (lasting && !isOwn && !this.#watch.hasEnded(record, lasting)) return',
    to: 'if (false) return',
    shows: 'three servers',
    breaks: 'P4'
  },
  {
    rule: '2: no lease before the call',
    file: 'refresh-protocol.ts',
    from: 'return await this.#hold(claim) ? call() : undefined',
    to: 'return claim.record.refreshLease === undefined || await this.#hold(claim) ? call() : undefined',
    shows: 'three servers',
    breaks: 'P7'
  },
  {
    rule: '2: a lease of unknown outcome is taken for written',
    file: 'refresh-protocol.ts',
    from: 'if (current?.refreshLease?.by === by) return { record: current, until: current.refreshLease.until }',
    to: 'if (current && until > 0) return { record: current, until }',
    shows: 'any one fault',
    breaks: 'P4',
    schedule: '0 0 0 1 0 0 0 0'
  },
  {
    rule: '3: recovery first, no refresh',
    file: 'refresh-protocol.ts',
    from: 'const refreshed = await this.#ask(claim, () => clover.refresh(base))',
    to: 'const refreshed: PairAnswer | undefined = trust === \'high\' ? { outcome: \'refused\', status: 401, recoveryAvailable: true } : await this.#ask(claim, () => clover.refresh(base))',
    shows: 'three servers',
    breaks: 'P4'
  },
  {
    rule: '3: a lease is cleared when an answer is lost',
    file: 'refresh-protocol.ts',
    from: 'if (refreshed.outcome === \'unclear\') return this.#fail(claim, refreshed)',
    to: 'if (refreshed.outcome === \'unclear\') { const { refreshLease, ...rest } = claim.record; await this.#use.store.put({ ...rest, dueAt: rest.refreshTokenExpiration, revision: this.#use.make.id() }, rest.revision); return this.#fail(claim, refreshed) }',
    shows: 'a merchant whom nobody asks for',
    breaks: 'P7',
    schedule: '0 0 1 0 0 1 0 0 2 0'
  },
  {
    rule: '3: recovery only where the header offers it',
    file: 'refresh-protocol.ts',
    from: 'const candidates = trust === \'high\' ? [base, start.spentRefreshToken] : []',
    to: 'const candidates = trust === \'high\' && recoveryAvailable ? [base, start.spentRefreshToken] : []',
    shows: 'a Clover that does not offer recovery',
    breaks: 'P1'
  },
  {
    rule: '3: the spent token is never tried',
    file: 'refresh-protocol.ts',
    from: 'const candidates = trust === \'high\' ? [base, start.spentRefreshToken] : []',
    to: 'const candidates = trust === \'high\' ? [base] : []',
    shows: 'two: late request and answer',
    breaks: 'P1',
    schedule: '0 0 0 0 2 0 0 0 0 0 0 0 0 3 0 0 0 0 0 0 0 0 0 0'
  },
  {
    rule: '3: the lease is not checked before a recovery',
    file: 'refresh-protocol.ts',
    from: 'const recovered = await this.#ask(claim, () => clover.recover(spent))',
    to: 'const recovered = await clover.recover(spent)',
    shows: 'any one fault',
    breaks: 'P2'
  },
  {
    rule: '3: the lease is not checked before a second try',
    file: 'refresh-protocol.ts',
    from: 'return await this.#hold(claim) ? call() : undefined',
    to: 'return attempt > 1 || await this.#hold(claim) ? call() : undefined',
    shows: 'two: answer and lease, once',
    breaks: 'P2'
  },
  {
    rule: '4: a pair is dropped when its write fails',
    file: 'refreshes.ts',
    from: 'if (unsaved) this.#unsaved.add(unsaved)\n        else onRecord(record)',
    to: 'if (!unsaved) onRecord(record)',
    shows: 'any one fault, low trust',
    breaks: 'P1/P6'
  },
  {
    rule: '4: a pair is written whatever the revision',
    file: 'pair-writer.ts',
    from: 'if (await store.put(unsaved.next, unsaved.expected)) return',
    to: 'if (await store.put(unsaved.next, (await store.get(merchantId))?.revision)) return',
    shows: 'any one fault',
    breaks: 'P3'
  },
  {
    rule: '5: a pair is put anew although the merchant has gone',
    file: 'pair-writer.ts',
    from: 'const current = await store.get(merchantId)\n      if (current !== undefined) {',
    to: 'const current = await store.get(merchantId)\n      if (current === undefined) { Object.assign(unsaved, { expected: undefined }); continue }\n      if (current !== undefined) {',
    shows: 'a disconnect and a refresh',
    breaks: 'P5'
  },
  {
    rule: '5: a pair does not overwrite a mark',
    file: 'pair-writer.ts',
    from: 'const untouched = current.refreshToken === base',
    to: 'const untouched = current.refreshToken === base && !current.reauthorizationRequired',
    shows: 'any one fault, low trust',
    breaks: 'P1/P6'
  },
  {
    rule: '5: a pair does not overwrite another attempt\'s lease',
    file: 'pair-writer.ts',
    from: 'const untouched = current.refreshToken === base',
    to: 'const untouched = current.refreshToken === base && !current.refreshLease',
    shows: 'any one fault, low trust',
    breaks: 'P1/P6'
  },
  {
    rule: '5: a recovered pair does not overwrite the pair that it ended',
    file: 'pair-writer.ts',
    from: 'if (untouched || replaced) {',
    to: 'if (untouched) {',
    shows: 'any one fault, once',
    breaks: 'P1'
  },
  {
    rule: '5: a pair of the same spent token is always overwritten',
    file: 'pair-writer.ts',
    from: 'const replaced = current.spentRefreshToken === pair.presented && pair.recovered && !current.recovered',
    to: 'const replaced = current.spentRefreshToken === pair.presented',
    shows: 'any one fault',
    breaks: 'P3'
  },
  {
    rule: '6: a mark is written whatever the revision',
    file: 'refresh-protocol.ts',
    from: 'if (!await store.put(next, claim.record.revision)) return undefined',
    to: 'if (!await store.put(next, (await store.get(next.merchantId))?.revision)) return undefined',
    shows: 'any one fault, low trust',
    breaks: 'P3'
  },
  {
    rule: '7: an attempt with a heartbeat is not waited for',
    file: 'lease-watch.ts',
    from: 'return now - since >= limit',
    to: 'return now - since >= limit || deadAfter !== undefined',
    shows: 'two servers, with heartbeats',
    breaks: 'P4'
  },
  {
    rule: '7: a record is renewed whatever the revision',
    file: 'heartbeat.ts',
    from: 'if (await store.put(next, record.revision).catch(() => false)) {',
    to: 'if (await store.put(next, (await store.get(record.merchantId))?.revision).catch(() => false)) {',
    shows: 'two servers, with heartbeats',
    breaks: 'P3'
  },
  {
    rule: '7: a record that is gone is renewed',
    file: 'heartbeat.ts',
    from: 'if (await store.put(next, record.revision).catch(() => false)) {',
    to: 'if (await store.put(next, await store.get(record.merchantId) && record.revision).catch(() => false)) {',
    shows: 'a disconnect and a refresh with heartbeats',
    breaks: 'P5'
  },
  {
    rule: '8: a callback overwrites whatever is there',
    file: 'placements.ts',
    from: '} else {\n        return false',
    to: '} else {\n        placement.expected = current.revision',
    shows: 'two callbacks, new',
    breaks: 'R8'
  },
  {
    rule: '8: a callback tries again after a disconnect',
    file: 'placements.ts',
    from: 'if (before !== undefined || (placement.isOutcomeUnknown && !overwriteUnknown)) throw failure ?? recordChanged(merchantId)',
    to: '',
    shows: 'a disconnect and a callback, with a dead pair',
    breaks: 'P5',
    schedule: '2 2 2 2 2 2 2 2 2 4 0 1 0 0'
  },
  {
    rule: '9: a returning visit keeps a pair without proof',
    file: 'connections.ts',
    from: 'if (!isAlive && !await this.#isAlive(before)) return \'needs-full-round\'',
    to: '',
    shows: 'a callback that finds a dead pair',
    breaks: 'R9'
  },
  {
    rule: '10: a disconnect deletes whatever is there',
    file: 'disconnects.ts',
    from: 'if (await store.delete(merchantId, revision)) return true',
    to: 'if (await store.delete(merchantId)) return true',
    shows: 'a disconnect and a callback',
    breaks: 'R10'
  },
  {
    rule: '10: a disconnect that fails drops the unsaved pair',
    file: 'disconnects.ts',
    from: 'this.#delete(merchantId, first, connectedBefore).finally(() => reader.drop(merchantId))',
    to: 'this.#delete(merchantId, first, connectedBefore).finally(() => refreshes.drop(merchantId, () => true))',
    shows: 'a disconnect that fails',
    breaks: 'P1/P6',
    schedule: '0 0 0 1 1 1 2 1 0 0'
  },
  {
    rule: '8: a callback drops the unsaved pair of its own connection',
    file: 'placements.ts',
    from: 'record => record.connectionId !== connectionId',
    to: '() => true',
    shows: 'a new connection is refreshed before its callback knows',
    breaks: 'P1/P6'
  },
  {
    rule: '10: a visit that keeps the tokens leaves no trace',
    file: 'connections.ts',
    from: 'await this.#noteVisit(merchantId)',
    to: '',
    shows: 'a disconnect and a returning visit',
    breaks: 'R10'
  },
  {
    rule: '18: a pair that came by recovery is not doubtful',
    file: 'pair-writer.ts',
    from: '(recovered || claim.isDoubtful)',
    to: 'claim.isDoubtful',
    shows: 'a recovery that Clover handles late, and nobody who asks',
    breaks: 'P7'
  },
  {
    rule: '18: a pair obtained over a lease or a mark is not doubtful',
    file: 'pair-writer.ts',
    from: '(recovered || claim.isDoubtful)',
    to: 'recovered',
    shows: 'a crash with a recovery in progress, and nobody who asks',
    breaks: 'P7',
    schedule: '0 0 2 0 4 0 1 0 0 0 0 0'
  },
  {
    rule: '18: a pair written over another attempt\'s lease or mark is not doubtful',
    file: 'pair-writer.ts',
    from: 'unsaved.pair = { ...pair, isDoubtful: true }',
    to: '{}',
    shows: 'a recovery that Clover handles late, a write that fails, and nobody who asks',
    breaks: 'P7'
  },
  {
    rule: '18: a doubtful pair is due when its refresh token ends',
    file: 'record.ts',
    from: '...(isDoubtful && { confirmAt: Math.ceil(now + confirmAfter) }),',
    to: '',
    shows: 'a recovery that Clover handles late, and nobody who asks',
    breaks: 'P7'
  }
]
