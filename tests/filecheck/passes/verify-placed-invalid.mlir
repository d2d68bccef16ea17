// RUN: xdsl-opt %s -p verify-placed --split-input-file --verify-diagnostics | filecheck %s

// CHECK: @f has device None, expected one of npu, pim, xpu, host at stage placed
builtin.module {
  func.func @f() {
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @f has device "gpu", expected one of npu, pim, xpu, host at stage placed
builtin.module {
  func.func @f() attributes {device = "gpu"} {
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: the module has 0 host plans, expected 1 at stage placed
builtin.module {
  func.func @k() attributes {device = "npu"} {
    func.return
  }
}

// -----

// CHECK: the module has 2 host plans, expected 1 at stage placed
builtin.module {
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
  func.func @other(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @k: npu.greedy is not allowed at stage placed
builtin.module {
  func.func @k(%x: !host.buffer<4x64xf32>, %y: !host.buffer<4xi32>, %rows: index) attributes {device = "npu"} {
    npu.greedy %x -> %y rows %rows {columns = 64 : i64} : !host.buffer<4x64xf32> -> !host.buffer<4xi32>
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    func.return
  }
}

// -----

// CHECK: @step: llm.get_weight is not allowed at stage placed
builtin.module {
  llm.weight @w : tensor<4x4xf16>
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %w = llm.get_weight @w : tensor<4x4xf16>
    func.return
  }
}

// -----

// CHECK: launch of @nobody, which is not a kernel, at stage placed
builtin.module {
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %e = host.launch @nobody()
    func.return
  }
}

// -----

// CHECK: launch of @k passes (), expected (index) at stage placed
builtin.module {
  func.func @k(%rows: index) attributes {device = "npu"} {
    func.return
  }
  func.func @step(%rows: index, %sequences: index) attributes {device = "host"} {
    %e = host.launch @k()
    func.return
  }
}
