/** @internal Clover gave no answer, or one that says nothing: the experiment is not settled, and the others go on. The message has no secret. */
export class Unsettled extends Error {}

/** @internal The experiment cannot be made here, or nobody wants it: it is left out. The message has no secret. */
export class NotHere extends Error {}
