import type { Rules } from '../rules.js'
import type { Setting } from '../setting.js'
import type { World } from '../world.js'
import { callbackMoves } from './callback.js'
import { Moves, type Emit, type Kind } from './move.js'
import { outsideMoves } from './outside.js'
import { pairMoves } from './pair.js'
import { refreshMoves } from './refresh.js'

/** All that can happen next in a world. */
export function eachMove (world: World, setting: Setting, rules: Rules, emit: Emit): void {
  const moves = new Moves(world, setting, rules, emit)
  world.processes.forEach((_, p) => {
    refreshMoves(moves, p)
    pairMoves(moves, p)
    if (setting.callbacks > 0) callbackMoves(moves, p)
  })
  outsideMoves(moves)
}

export type { Kind }
