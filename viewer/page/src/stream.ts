// The WebSocket to the viewer: made, kept, and made again.

export type StreamState =
  | { kind: "connecting" }
  | { kind: "open" }
  | { kind: "lost"; since: number; reason: string };

export interface Listener {
  onText(message: { type: string } & Record<string, unknown>, bytes: number): void;
  onBinary(buffer: ArrayBuffer): void;
  onState(state: StreamState): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 8000;
/** The viewer speaks each second; a connection that says nothing for so long is no more. */
const SILENCE_MS = 10_000;

export class Stream {
  private socket: WebSocket | null = null;
  private wait = FIRST_WAIT_MS;
  private last: string | null = null;
  private at: number | null = null;
  private silence = 0;
  private lostSince = 0;

  constructor(private readonly listener: Listener) {}

  start(): void {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      this.lostSince = 0;
      this.listener.onState({ kind: "open" });
      if (this.last !== null) socket.send(this.last);
      if (this.at !== null) this.send(JSON.stringify({ at: this.at }));
      this.heard();
    };
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      this.wait = FIRST_WAIT_MS;
      this.heard();
      if (typeof data === "string") this.listener.onText(JSON.parse(data), data.length);
      else this.listener.onBinary(data);
    };
    socket.onclose = () => this.lose(socket, "the viewer does not answer; is virtpulse-viewer running?");
  }

  /** What the page shows from now on; said again after each new connection. */
  show(what: { host: string; findings: boolean }): void {
    const text = JSON.stringify({ show: what });
    if (text === this.last) return;
    this.last = text;
    this.send(text);
  }

  /** The time that everything is of from now on, or null for now; said again as well. */
  lookAt(at: number | null): void {
    if (at === this.at) return;
    this.at = at;
    this.send(JSON.stringify({ at }));
  }

  /** False where there is no connection. */
  ask(command: object): boolean {
    return this.send(JSON.stringify(command));
  }

  /** The last overview was taken in: the viewer may send the next. */
  seen(): void {
    this.send('{"seen":true}');
  }

  private send(text: string): boolean {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(text);
    return true;
  }

  private heard(): void {
    const socket = this.socket;
    window.clearTimeout(this.silence);
    this.silence = window.setTimeout(() => {
      if (socket) this.lose(socket, "the viewer has been silent for 10 s");
    }, SILENCE_MS);
  }

  private lose(socket: WebSocket, reason: string): void {
    if (socket !== this.socket) return;
    this.socket = null;
    window.clearTimeout(this.silence);
    socket.close();
    this.lostSince ||= Date.now();
    this.listener.onState({ kind: "lost", since: this.lostSince, reason });
    window.setTimeout(() => this.start(), this.wait * (0.75 + 0.5 * Math.random()));
    this.wait = Math.min(LONGEST_WAIT_MS, this.wait * 2);
  }
}
