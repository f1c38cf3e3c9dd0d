import { Component } from "preact";
import type { ComponentChildren, JSX } from "preact";

type Props = { children: ComponentChildren; fallback: JSX.Element };

/** Shows `fallback` instead of children that cannot be drawn, so that one of them never takes the page with it. */
export class Boundary extends Component<Props, { failed: boolean }> {
  override state = { failed: false };

  static override getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    console.error("A part of the page cannot be drawn.", error);
  }

  /** What has changed may be drawn again. */
  override componentDidUpdate(before: Props): void {
    if (this.state.failed && before.children !== this.props.children) this.setState({ failed: false });
  }

  override render({ children, fallback }: Props): ComponentChildren {
    return this.state.failed ? fallback : children;
  }
}
