import { Component } from "preact";
import type { ComponentChildren, JSX } from "preact";

type ErrorBoundaryProps = { children: ComponentChildren; fallback: JSX.Element };

/** Shows `fallback` instead of children that cannot be drawn, so that one of them never takes the page with it. */
export class ErrorBoundary extends Component<ErrorBoundaryProps, { failed: boolean }> {
  override state = { failed: false };

  static override getDerivedStateFromError(): { failed: boolean } {
    return { failed: true };
  }

  override componentDidCatch(error: unknown): void {
    console.error("A part of the page cannot be drawn.", error);
  }

  /** What has changed may be drawn again. */
  override componentDidUpdate(before: ErrorBoundaryProps): void {
    if (this.state.failed && before.children !== this.props.children) this.setState({ failed: false });
  }

  override render({ children, fallback }: ErrorBoundaryProps): ComponentChildren {
    return this.state.failed ? fallback : children;
  }
}
