import type { SimulatedApp, SimulatedMerchant } from './directory.js'

/** The relation of one app and one merchant. */
export interface Holding {
  readonly app: SimulatedApp
  readonly merchant: SimulatedMerchant
  installed: boolean
  /** The merchant has approved the app, and is not asked again until it uninstalls the app. */
  approved: boolean
  /** The number of uninstalls. Codes and tokens of an earlier epoch belong to an installation that has ended. */
  epoch: number
  /** The key of the ecommerce service, created at the first call. */
  pakms?: { apiAccessKey: string, createdTime: number }
}

/** The installations of apps by merchants. */
export class Holdings {
  readonly #holdings = new Map<string, Holding>()

  /** The relation of an app and a merchant, if there is one. */
  find (app: SimulatedApp, merchant: SimulatedMerchant): Holding | undefined {
    return this.#holdings.get(`${app.id} ${merchant.id}`)
  }

  /** Like {@link find}, but creates one that is not installed if there is none. */
  of (app: SimulatedApp, merchant: SimulatedMerchant): Holding {
    const known = this.find(app, merchant)
    if (known !== undefined) return known
    const holding: Holding = { app, merchant, installed: false, approved: false, epoch: 0 }
    this.#holdings.set(`${app.id} ${merchant.id}`, holding)
    return holding
  }

  /** Installs and approves the app. */
  approve (app: SimulatedApp, merchant: SimulatedMerchant): Holding {
    return Object.assign(this.of(app, merchant), { installed: true, approved: true })
  }

  /** Uninstalls the app and starts a new epoch. */
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
