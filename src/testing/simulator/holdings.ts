import type { SimulatedApp, SimulatedMerchant } from './directory.js'

/** One app at one merchant's. */
export interface Holding {
  readonly app: SimulatedApp
  readonly merchant: SimulatedMerchant
  installed: boolean
  /** The merchant has once approved the app: it is not asked again until it uninstalls. */
  approved: boolean
  /** Counts uninstalls: what was issued in an earlier epoch belongs to an installation that is gone. */
  epoch: number
  /** The key of the ecommerce service, made at the first call. */
  pakms?: { apiAccessKey: string, createdTime: number }
}

/** Who has installed what. */
export class Holdings {
  readonly #holdings = new Map<string, Holding>()

  /** What is known of an app at a merchant's, if anything is. */
  find (app: SimulatedApp, merchant: SimulatedMerchant): Holding | undefined {
    return this.#holdings.get(`${app.id} ${merchant.id}`)
  }

  /** Like {@link find}, and begins an empty one if there is none. */
  of (app: SimulatedApp, merchant: SimulatedMerchant): Holding {
    const known = this.find(app, merchant)
    if (known !== undefined) return known
    const holding: Holding = { app, merchant, installed: false, approved: false, epoch: 0 }
    this.#holdings.set(`${app.id} ${merchant.id}`, holding)
    return holding
  }

  /** The merchant installs the app, and approves it. */
  approve (app: SimulatedApp, merchant: SimulatedMerchant): Holding {
    return Object.assign(this.of(app, merchant), { installed: true, approved: true })
  }

  /** The merchant uninstalls the app: what was issued so far belongs to the past. */
  uninstall (app: SimulatedApp, merchant: SimulatedMerchant): void {
    const holding = this.find(app, merchant)
    if (holding?.installed !== true) return
    holding.installed = holding.approved = false
    holding.epoch++
    delete holding.pakms
  }

  clear (): void {
    this.#holdings.clear()
  }
}
